"""The tables of schema ``howdah``: they record runs, sources, loads, chunks and quarantined rows.

``schema`` makes them and knows their version, ``locks`` keeps runs apart, ``reading`` and ``recording`` take values
of ``model`` out and in, ``quarantine`` keeps the rows that did not fit.
"""

from howdah.ledger.locks import lock, lock_key
from howdah.ledger.model import HEAD, KnownSource, Ledger, Load, Quarantined, Tally
from howdah.ledger.quarantine import add_quarantine, clear_quarantine, quarantined, waiting, waiting_reasons
from howdah.ledger.reading import catalogs, read, tallies
from howdah.ledger.recording import (
    Source,
    add_loads,
    finish_run,
    mark_doubtful,
    mark_verified,
    record_choices,
    record_load,
    record_object,
    record_objects,
    record_refusals,
    record_sources,
    recount,
    start_run,
)
from howdah.ledger.schema import check_version, create

__all__ = [
    "HEAD",
    "KnownSource",
    "Ledger",
    "Load",
    "Quarantined",
    "Source",
    "Tally",
    "add_loads",
    "add_quarantine",
    "catalogs",
    "check_version",
    "clear_quarantine",
    "create",
    "finish_run",
    "lock",
    "lock_key",
    "mark_doubtful",
    "mark_verified",
    "quarantined",
    "read",
    "record_choices",
    "record_load",
    "record_object",
    "record_objects",
    "record_refusals",
    "record_sources",
    "recount",
    "start_run",
    "tallies",
    "waiting",
    "waiting_reasons",
]
