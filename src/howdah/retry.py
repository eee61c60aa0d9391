"""Tries the rows in quarantine again, after the source or the application folder was corrected."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from howdah import ledger, pg, pipeline, quarantine
from howdah.pipeline import Request
from howdah.progress import Progress, silent
from howdah.quarantine import Selection
from howdah.report import Report


@dataclass(frozen=True)
class RetriedTable:
    """What became of the rows of one source table.

    :ivar left: rows that are in quarantine no more: loaded, or gone from the source.
    :ivar stays: rows that still do not fit.
    :ivar new: rows that are in quarantine since this retry.
    """

    source: str
    table: str
    left: int
    stays: int
    new: int


@dataclass(frozen=True)
class Retried:
    """What a retry did.

    :ivar report: of the migration that it ran; ``None`` when nothing was in quarantine.
    """

    tables: tuple[RetriedTable, ...]
    report: Report | None

    @property
    def left(self) -> int:
        """Return how many rows left quarantine."""
        return sum(table.left for table in self.tables)

    @property
    def exit_code(self) -> int:
        """Return the process exit code that scripts rely on."""
        return self.report.exit_code if self.report else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the retry as JSON-ready values."""
        return {
            "tables": [asdict(table) for table in self.tables],
            "report": self.report.to_dict() if self.report else None,
        }


def retry(request: Request, progress: Progress = silent) -> Retried:
    """Migrate again, and load every table with rows in quarantine under the plan as it is today.

    Tables that changed otherwise move too, as in any ``migrate``: a row that waits for its parent needs it.

    :raises ConfigurationError: the database holds no ledger.
    :raises HowdahError: see :func:`howdah.pipeline.migrate`.
    """
    name = pipeline.ledger_name(request)
    with quarantine.opened(request.dsn, Selection()) as connection:
        if not ledger.waiting_reasons(connection, name):
            return Retried((), None)
        # The server keeps what was there before: there may be millions, and memory stays flat.
        connection.execute(
            """CREATE TEMP TABLE _howdah_before AS
               SELECT source, table_name, source_key FROM howdah.quarantine WHERE application = %s""",
            [name],
        )
        report = pipeline.migrate(replace(request, retry=True), progress)
        return Retried(_compare(connection, name), report)


def _compare(connection: pg.Connection, name: str) -> tuple[RetriedTable, ...]:
    # By key and not by locator: VACUUM gives rows without a key column other rowids.
    found = connection.execute(
        """WITH now AS (SELECT source, table_name, source_key FROM howdah.quarantine WHERE application = %s),
                gone AS (TABLE pg_temp._howdah_before EXCEPT ALL TABLE now),
                fresh AS (TABLE now EXCEPT ALL TABLE pg_temp._howdah_before),
                counted AS (SELECT source, table_name, 1 AS was, 0 AS gone, 0 AS fresh FROM pg_temp._howdah_before
                            UNION ALL SELECT source, table_name, 0, 1, 0 FROM gone
                            UNION ALL SELECT source, table_name, 0, 0, 1 FROM fresh)
           SELECT source, table_name, sum(gone), sum(was) - sum(gone), sum(fresh)
           FROM counted GROUP BY source, table_name ORDER BY source, table_name""",
        [name],
    )
    return tuple(RetriedTable(source, table, left, stays, new) for source, table, left, stays, new in found)
