"""Loads small tables that fill the same table of the target, together in one transaction.

Where a thousand sources are merged, what a table costs is not its rows but the statements around them: so many tables
share them. Nothing is looked at row by row: where anything stands against one of the tables, none of them is loaded
here, and :mod:`howdah.load` finds out which it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howdah import direct, ledger, ownership, record
from howdah.context import Context, Loaded, Merged
from howdah.errors import VerificationFailed
from howdah.ledger import Load
from howdah.pg import ROW_FAULTS, Connection, copy_parts, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.sending import Sender, Sent

_FILE_BYTES = 4 << 20
"""A table of a larger file is no small one."""
_TOGETHER_BYTES = 32 << 20
"""Files of tables that are loaded together have at most so many bytes, as a run that is killed loads them again."""
_BLOCK_BYTES = 256 << 10


class RefusedError(Exception):
    """A row of one of the tables must be looked at by itself; nothing was changed."""


class _Kept(Sender):
    """Reads and casts a table, and keeps its rows instead of sending them.

    :ivar parts: of a COPY stream.
    """

    def __init__(self, connection: Connection, snapshot: Path, plan: TablePlan) -> None:
        super().__init__(connection, snapshot, plan, "", "", staged=False)
        self.parts: list[Any] = []

    def _copied(self, stream: Any, locators: Any, keys: Any, sizes: Any) -> bool:
        self.parts.append(stream)
        self.sent.copied += len(locators)
        self._keys.add(locators, keys, sizes)
        return True


@dataclass(frozen=True)
class _Table:
    """A table that was read to its end."""

    plan: TablePlan
    sent: Sent
    seconds: float


def portions(plans: Sequence[TablePlan], context: Context) -> Iterator[tuple[TablePlan, ...]]:
    """Yield tables in their order, those that follow each other together as far as they are small and new to us.

    :param plans: of tables that fill the same table; those of a portion fill the same columns.
    """
    held: list[TablePlan] = []
    size = 0
    for plan in plans:
        own = _size(plan, context)
        if held and (own is None or size + own > _TOGETHER_BYTES or _filled(held[0]) != _filled(plan)):
            yield tuple(held)
            held, size = [], 0
        if own is None:
            yield (plan,)
        else:
            held.append(plan)
            size += own
    if held:
        yield tuple(held)


def _filled(plan: TablePlan) -> tuple[str, ...]:
    return tuple(column.target for column in plan.columns)


def _size(plan: TablePlan, context: Context) -> int | None:
    """Return the bytes of a table's file; ``None`` for a table that must be loaded by itself."""
    # Rows without a key can be told from those of others only before those come.
    if not plan.key or not record.is_fresh(context, plan) or not direct.suits(plan, context):
        return None
    path, _ = context.snapshots[plan.source]
    size = path.stat().st_size
    return size if size <= _FILE_BYTES else None


def load(connection: Connection, plans: Sequence[TablePlan], context: Context) -> tuple[Loaded, ...]:
    """Load tables of one portion.

    :raises RefusedError: a row does not fit, or breaks a rule of the table.
    :raises howdah.direct.NotDirectError: the table is not one to be filled like this.
    :raises VerificationFailed: rows were lost on the way.
    """
    target = qualified(plans[0].target.schema, plans[0].target.name)
    reading = _Reading(connection, plans, context)
    try:
        with connection.transaction():
            execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
            _, guarded = direct.state(connection, plans[0], target)
            if not guarded:
                raise direct.NotDirectError
            columns = ", ".join(map(quoted, _filled(plans[0])))
            statement = f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)"
            there = copy_parts(connection, statement, _blocks(reading.parts()))
            rows = sum(table.sent.rows for table in reading.tables)
            if there != rows:
                raise VerificationFailed(
                    f"{rows} rows were read for {plans[0].target.name}, and {there} of them are there.",
                    "Nothing of them was kept. This is a defect of howdah: please report it.",
                )
            ownership.add_chunks(connection, context.application, context.run_id, reading.chunks)
            loads = [(*table.plan.identity, _entry(table, context)) for table in reading.tables]
            ledger.add_loads(connection, context.application, loads)
    except ROW_FAULTS as error:
        raise RefusedError from error
    return tuple(_loaded(table) for table in reading.tables)


class _Reading:
    """Reads and casts tables one after the other.

    :ivar tables: those that were read to their end.
    :ivar chunks: of those: for the ledger.
    """

    def __init__(self, connection: Connection, plans: Sequence[TablePlan], context: Context) -> None:
        self._connection = connection
        self._plans = plans
        self._context = context
        self.tables: list[_Table] = []
        self.chunks: list[ownership.Held] = []

    def parts(self) -> Iterator[Any]:
        """Yield the rows of all tables as parts of a COPY stream."""
        for plan in self._plans:
            started = time.monotonic()
            path, _ = self._context.snapshots[plan.source]
            table = _Kept(self._connection, path, plan)
            with closing(table.chunks()) as chunks:
                for copied in chunks:
                    images = copied.images if plan.imaged else None
                    self.chunks.append(ownership.Held(plan, copied.chunk, copied.keys.to_bytes(), images))
                    yield from table.parts
                    table.parts.clear()
            if table.sent.rejects:
                raise RefusedError
            record.count_again(path, plan, table.sent.rows)
            self.tables.append(_Table(plan, table.sent, time.monotonic() - started))
            self._context.step(plan, table.sent.rows, table.sent.size)


def _blocks(parts: Iterator[Any]) -> Iterator[bytes]:
    """Put parts together until they are worth a call of the driver."""
    held = bytearray()
    for part in parts:
        held += part
        if len(held) >= _BLOCK_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _entry(table: _Table, context: Context) -> Load:
    plan = table.plan
    return Load(
        target_schema=plan.target.schema,
        target_table=plan.target.name,
        run_id=context.run_id,
        snapshot_sha256=context.snapshots[plan.source][1],
        content_digest=table.sent.content_digest,
        plan_digest=plan.digest,
        source_rows=table.sent.rows,
        loaded_rows=table.sent.rows,
        quarantined_rows=0,
        target_rows=table.sent.rows,
        mapped=table.sent.mapped,
        settled=True,
        key_columns=ownership.key_columns(plan),
        verified_at=None,
    )


def _loaded(table: _Table) -> Loaded:
    return Loaded(
        plan=table.plan,
        loaded=table.sent.rows,
        quarantined=0,
        merged=Merged(inserted=table.sent.rows),
        retained=0,
        shared=0,
        mapped=table.sent.mapped,
        effective=True,
        seconds=table.seconds,
    )
