"""What loading tables needs to know, and what it says afterwards."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from howdah.counting import Counts
from howdah.errors import QuarantinedRows
from howdah.ledger import Ledger
from howdah.plan import TablePlan
from howdah.progress import Event, Progress, silent

# Arrow loads only where rows need it.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from howdah.delta import Delta


@dataclass
class Budget:
    """How many more rows may go to quarantine in this run; shared by all workers."""

    left: int | None
    limit: int | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, rows: int, table: str) -> None:
        """Take rows off the budget.

        :raises QuarantinedRows: when there are too many; the table's transaction is then rolled back.
        """
        if self.left is None:
            return
        with self._lock:
            self.left -= rows
            if self.left < 0:
                raise QuarantinedRows(
                    f"More than {self.limit} rows would go to quarantine; stopped at table {table}, which is"
                    " unchanged.",
                    "Look at the reasons with howdah plan, correct the source or application.yml, or raise "
                    "--max-quarantined.",
                )


@dataclass(frozen=True)
class Context:
    """What loading needs to know about the run.

    :ivar snapshots: source name → (path of its snapshot, BLAKE3).
    :ivar deltas: table → what changed in it since its last load, where that is known.
    :ivar shared: target tables that several tables of the sources fill; they were counted before anything was loaded.
    :ivar waiting: tables that had rows in quarantine before the run.
    """

    application: str
    run_id: UUID
    snapshots: Mapping[str, tuple[Path, str]]
    known: Ledger
    budget: Budget
    counts: Counts
    progress: Progress = silent
    deltas: Mapping[tuple[str, str], Delta] = field(default_factory=dict)
    shared: Collection[str] = ()
    waiting: Collection[tuple[str, str]] = ()

    def step(self, plan: TablePlan, done: int, size: int) -> None:
        """Tell how many rows and bytes of a table are loaded."""
        self.progress(Event("load", *plan.identity, done, plan.rows, size))


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows of the target changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows in all."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class Patched:
    """The rows that a load was only about, as no others changed.

    :ivar locators: of the rows that changed or are new, ascending.
    :ivar keys: of all rows that were touched, as they were and as they are: rows of a binary COPY stream.
    :ivar held: rows that the target table has, other people's included.
    """

    locators: NDArray[np.int64]
    keys: bytes
    held: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading one table did.

    :ivar retained: rows of ours that wait to be deleted, because others still refer to them.
    :ivar shared: rows that were there already, equal, and are not ours.
    :ivar effective: something in the target is not as it was before.
    :ivar patched: the rows that it was about, where not all of them were.
    :ivar resumed: rows that a run before had staged already.
    """

    plan: TablePlan
    loaded: int
    quarantined: int
    merged: Merged
    retained: int
    shared: int
    mapped: int
    effective: bool
    seconds: float
    patched: Patched | None = None
    resumed: int = 0

    @property
    def outdates_statistics(self) -> bool:
        """Return whether the planner needs new statistics: after a tenth of the rows changed, as autovacuum has it."""
        return self.effective and self.merged.rows * 10 >= self.loaded
