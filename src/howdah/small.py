"""Loads small tables that fill the same table of the target, together in one transaction.

Where a thousand sources are merged, what a table costs is not its rows but the statements around them: so many tables
share them. Nothing is looked at row by row: where anything stands against one of the tables, none of them is loaded
here, and :mod:`howdah.load` finds out which it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from howdah import direct, ledger, ownership, record
from howdah.context import Context, Loaded, Merged
from howdah.errors import VerificationFailed
from howdah.ledger import Load
from howdah.pg import ROW_FAULTS, Connection, copy_parts, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.sending import Sender, Sent
from howdah.vector.prefetch import prefetched

_FILE_BYTES = 4 << 20
"""A table of a larger file is no small one."""
_TOGETHER_BYTES = 8 << 20
"""Files of tables that are loaded together have at most so many bytes: their rows are in memory."""
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

    def _give(self, streams: Iterator[bytes | memoryview]) -> None:
        # Not to the connection: another thread is at work with it.
        self.parts.extend(streams)


@dataclass(frozen=True)
class Table:
    """A table that was read to its end."""

    plan: TablePlan
    sent: Sent
    seconds: float


@dataclass
class Portion:
    """Tables that are loaded together, or one that is loaded by itself and was not read.

    :ivar tables: those that were read; all of them, if ``fits``.
    :ivar chunks: of those: for the ledger.
    :ivar blocks: of those: a COPY stream.
    :ivar fits: no row of them was refused by its cast.
    """

    plans: tuple[TablePlan, ...]
    tables: list[Table] = field(default_factory=list)
    chunks: list[ownership.Held] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)
    fits: bool = True


@contextmanager
def portions(connection: Connection, plans: Sequence[TablePlan], context: Context) -> Iterator[Iterator[Portion]]:
    """Give the portions of tables that fill the same table, in their order.

    The next ones are read while the server is busy with the present one.
    """
    made = _cut(plans, context)
    if len(plans) == 1:
        yield map(Portion, made)
        return
    found = prefetched(read(connection, some, context) for some in made)
    with closing(found):
        yield found


def _cut(plans: Sequence[TablePlan], context: Context) -> Iterator[tuple[TablePlan, ...]]:
    """Yield tables in their order, those that follow each other together as far as they are small and new to us.

    Those that come together fill the same columns.
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


def read(connection: Connection, plans: tuple[TablePlan, ...], context: Context) -> Portion:
    """Read and cast the tables of a portion, if there are several; nothing is sent.

    :raises SourceError: a snapshot cannot be read.
    :raises VerificationFailed: other rows were read than SQLite counts.
    """
    made, held = Portion(plans), bytearray()
    for plan in plans if len(plans) > 1 else ():
        started = time.monotonic()
        path, _ = context.snapshots[plan.source]
        kept = _Kept(connection, path, plan)
        with closing(kept.chunks()) as chunks:
            for copied in chunks:
                images = copied.images if plan.imaged else None
                made.chunks.append(ownership.Held(plan, copied.chunk, copied.keys.to_bytes(), images))
        if kept.sent.rejects:
            made.fits = False
            return made
        record.count_again(path, plan, kept.sent.rows)
        for part in kept.parts:
            held += part
        if len(held) >= _BLOCK_BYTES:
            made.blocks.append(bytes(held))
            held.clear()
        made.tables.append(Table(plan, kept.sent, time.monotonic() - started))
        context.step(plan, kept.sent.rows, kept.sent.size)
    made.blocks.append(bytes(held))
    return made


def load(connection: Connection, portion: Portion, context: Context) -> tuple[Loaded, ...]:
    """Load the tables of a portion that was read.

    :raises RefusedError: a row does not fit, or breaks a rule of the table.
    :raises howdah.direct.NotDirectError: the table is not one to be filled like this.
    :raises VerificationFailed: rows were lost on the way.
    """
    if not portion.fits:
        raise RefusedError
    first = portion.plans[0]
    target = qualified(first.target.schema, first.target.name)
    try:
        with connection.transaction():
            execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
            _, guarded = direct.state(connection, first, target)
            if not guarded:
                raise direct.NotDirectError
            columns = ", ".join(map(quoted, _filled(first)))
            there = copy_parts(connection, f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)", portion.blocks)
            rows = sum(table.sent.rows for table in portion.tables)
            if there != rows:
                raise VerificationFailed(
                    f"{rows} rows were read for {first.target.name}, and {there} of them are there.",
                    "Nothing of them was kept. This is a defect of howdah: please report it.",
                )
            ownership.add_chunks(connection, context.application, context.run_id, portion.chunks)
            loads = [(*table.plan.identity, _entry(table, context)) for table in portion.tables]
            ledger.add_loads(connection, context.application, loads)
    except ROW_FAULTS as error:
        raise RefusedError from error
    return tuple(_loaded(table) for table in portion.tables)


def _entry(table: Table, context: Context) -> Load:
    plan = table.plan
    return Load(
        target_schema=plan.target.schema,
        target_table=plan.target.name,
        run_id=context.run_id,
        snapshot_blake3=context.snapshots[plan.source][1],
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


def _loaded(table: Table) -> Loaded:
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
