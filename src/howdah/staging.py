"""Brings cast rows into a temporary table of the target, setting aside those that do not fit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from howdah.pg import ROW_FAULTS, Connection, copy_in, execute, message, quoted
from howdah.plan import TablePlan
from howdah.reading import ChunkDigest, Row, rows
from howdah.rowcast import RowCast, RowError

LOCATOR = "_howdah_locator"
CHUNK = "_howdah_chunk"
SHARED = "_howdah_shared"

# A batch is what one savepoint covers and what is sent again, halved, when the server refuses a row of it.
_BATCH_ROWS = 5_000
_BATCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Reject:
    """A row that does not fit: where it is and why."""

    locator: int
    column: str
    code: str
    reason: str


@dataclass(frozen=True)
class Stage:
    """A staged table.

    :ivar name: the temporary table, qualified and quoted.
    :ivar owned: the temporary table with the keys of our earlier rows, qualified and quoted.
    :ivar chunks: (first locator, last locator, rows, digest) of each chunk read.
    :ivar mapped: identifiers that were mapped.
    """

    plan: TablePlan
    name: str
    owned: str
    rows: int
    chunks: tuple[tuple[int, int, int, bytes], ...]
    content_digest: str
    mapped: int
    rejects: list[Reject] = field(default_factory=list)

    @property
    def written(self) -> tuple[str, ...]:
        """Return the target columns that we fill."""
        return tuple(column.target for column in self.plan.columns if not column.computed)

    def fills(self, columns: tuple[str, ...]) -> bool:
        """Return whether the stage has all of these columns."""
        return set(columns) <= {column.target for column in self.plan.columns}


def stage(
    connection: Connection,
    snapshot: sqlite3.Connection,
    plan: TablePlan,
    number: int,
    step: Callable[[int, int], None],
) -> Stage:
    """Read a table, cast it, and copy it into a temporary table that vanishes with the transaction.

    :param number: makes the names of temporary tables unique within a transaction.
    :param step: called with the rows done and the bytes of text and blobs sent so far.
    """
    name, owned = f"pg_temp._howdah_stage_{number}", f"pg_temp._howdah_owned_{number}"
    columns = ", ".join(f"{quoted(column.target)} {column.type.sql}" for column in plan.columns)
    execute(
        connection,
        f"CREATE TEMP TABLE _howdah_stage_{number} ({LOCATOR} bigint, {CHUNK} int, "
        f"{SHARED} boolean NOT NULL DEFAULT false, {columns}) ON COMMIT DROP",
    )
    names = ", ".join([LOCATOR, CHUNK, *(quoted(column.target) for column in plan.columns)])
    sender = _Sender(connection, f"COPY {name} ({names}) FROM STDIN")
    cast = RowCast(plan)
    digest = ChunkDigest(plan.table)
    rejects: list[Reject] = []
    done = 0
    for locator, row in rows(snapshot, plan.table):
        chunk = digest.ordinal
        digest.add(locator, row)
        done += 1
        try:
            sender.add(locator, chunk, cast(row), row)
        except RowError as error:
            rejects.append(Reject(locator, error.column, error.code, error.reason))
        if sender.full:
            sender.flush()
            step(done, sender.sent)
    sender.flush()
    step(done, sender.sent)
    content = digest.finish()
    if done > 1000:
        # Temporary tables are invisible to autovacuum; without statistics the joins below would be nested
        # loops.
        execute(connection, f"ANALYZE {name}")
    return Stage(
        plan=plan,
        name=name,
        owned=owned,
        rows=done,
        chunks=tuple(digest.chunks),
        content_digest=content,
        mapped=cast.mapped,
        rejects=rejects + sender.rejects,
    )


class _Sender:
    """Sends batches, each under a savepoint; finds the row that the server refuses by halving."""

    def __init__(self, connection: Connection, statement: str) -> None:
        self._connection = connection
        self._statement = statement
        self._rows: list[list[object]] = []
        self._bytes = 0
        self.sent = 0
        self.rejects: list[Reject] = []

    @property
    def full(self) -> bool:
        return len(self._rows) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES

    def add(self, locator: int, chunk: int, values: list[str | None], row: Row) -> None:
        self._rows.append([locator, chunk, *values])
        self._bytes += sum(len(value) for value in row if isinstance(value, str | bytes))

    def flush(self) -> None:
        if self._rows:
            self._send(self._rows)
        self.sent += self._bytes
        self._rows, self._bytes = [], 0

    def _send(self, batch: list[list[object]]) -> None:
        try:
            with self._connection.transaction():
                copy_in(self._connection, self._statement, batch)
        except ROW_FAULTS as error:
            if len(batch) == 1:
                locator = batch[0][0]
                assert isinstance(locator, int)  # noqa: S101 - put there by add()
                column = error.diag.column_name or ""
                self.rejects.append(
                    Reject(locator, column, "server_refused", f"PostgreSQL refused it: {message(error)}")
                )
                return
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
