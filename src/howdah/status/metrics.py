"""What changes between backups and drills, for Prometheus: does the server answer, and where is its WAL."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from howdah import metrics
from howdah.errors import HowdahError
from howdah.instance import Instance
from howdah.restore import state
from howdah.status import wal
from howdah.status.model import ArchiveStatus
from howdah.status.silent import silent

_SINCE = "howdah_archive_failing_since_timestamp_seconds"


def path(instance: Instance) -> Path:
    """Return the file for the textfile collector."""
    return instance.metrics_dir / "howdah_status.prom"


def write(instance: Instance) -> None:
    """Ask the server and replace the file; of a silent server it says only that it is silent.

    :raises HowdahError: the server did not answer, and the file says so.
    """
    now = time.time()
    try:
        with psycopg.connect(instance.dsn(), connect_timeout=5) as connection:
            archive = wal.ask(connection)
    except psycopg.Error as error:
        _write(instance, now, {"howdah_up": ("Whether the server answers.", 0.0)})
        problem = silent(instance, error)
        raise HowdahError(problem.what, problem.next_step) from error
    since = float(int(_failing_since(instance, archive, now)))
    _write(instance, now, {"howdah_up": ("Whether the server answers.", 1.0)} | _values(archive, since))


def _failing_since(instance: Instance, archive: ArchiveStatus, now: float) -> float:
    """Return seconds since the epoch; 0: archiving works.

    Switched off, it marks no segment that could tell: then the moment counts when it was first seen.
    """
    if not archive.failing:
        return 0.0
    if archive.waiting:
        return now - archive.waiting_seconds
    return metrics.read(path(instance)).get(_SINCE, 0.0) or now


def _values(archive: ArchiveStatus, since: float) -> dict[str, tuple[str, float]]:
    return {
        _SINCE: ("Since when archiving fails: the oldest segment waits, or it was seen; 0: it works.", since),
        "howdah_wal_waiting_segments": ("Complete WAL segments not in the archive yet.", float(archive.waiting)),
        "howdah_wal_waiting_bytes": ("Their size.", float(archive.waiting_size)),
        "howdah_wal_waiting_seconds": ("How long the oldest of them waits.", float(archive.waiting_seconds)),
        "howdah_pg_wal_bytes": ("Size of pg_wal.", float(archive.wal_size)),
        "howdah_pg_wal_limit_bytes": ("max_wal_size.", float(archive.wal_limit)),
    }


def _write(instance: Instance, now: float, values: dict[str, tuple[str, float]]) -> None:
    stamp = {
        "howdah_status_last_run_timestamp_seconds": ("When this file was written.", float(int(now))),
        "howdah_restore_unfinished": (
            "Whether a restore was interrupted that nobody finishes.",
            float(state.is_left(instance)),
        ),
    }
    metrics.write(path(instance), metrics.render(stamp | values, metrics.labels(instance)))
