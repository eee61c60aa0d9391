"""One page about an instance: what runs, how full the pools are, how old the last backup is and whether it was proven,
what was migrated.

:mod:`~howdah.status.ask` asks, :mod:`~howdah.status.judge` says what needs attention, :mod:`~howdah.status.metrics`
writes what changes between backups and drills for Prometheus.
"""
