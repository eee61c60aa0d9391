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

from howdah import direct, ledger, ownership, record
from howdah.catalog.sqlite import open_snapshot
from howdah.context import Context, Loaded, Merged
from howdah.errors import VerificationFailed
from howdah.images import Keys
from howdah.ledger import Load
from howdah.pg import ROW_FAULTS, Connection, copy_parts, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.vector.digests import Content
from howdah.vector.encode import Encoder, lanes
from howdah.vector.stream import Part, pieces

_FILE_BYTES = 4 << 20
"""A table of a larger file is no small one."""
_TOGETHER_BYTES = 32 << 20
"""Files of tables that are loaded together have at most so many bytes, as a run that is killed loads them again."""
_BLOCK_BYTES = 256 << 10


class RefusedError(Exception):
    """A row of one of the tables must be looked at by itself; nothing was changed."""


@dataclass
class _Table:
    """What became of a table's rows."""

    plan: TablePlan
    rows: int = 0
    mapped: int = 0
    content_digest: str = ""
    seconds: float = 0.0


def portions(plans: Sequence[TablePlan], context: Context) -> Iterator[tuple[TablePlan, ...]]:
    """Yield tables in their order, those that follow each other together as far as they are small and new to us.

    :param plans: of tables that fill the same table.
    """
    held: list[TablePlan] = []
    size = 0
    for plan in plans:
        own = _size(plan, context)
        if held and (own is None or size + own > _TOGETHER_BYTES):
            yield tuple(held)
            held, size = [], 0
        if own is None:
            yield (plan,)
        else:
            held.append(plan)
            size += own
    if held:
        yield tuple(held)


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
    reading = _Reading(plans, context)
    try:
        with connection.transaction():
            execute(connection, f"LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE")
            _, guarded = direct.state(connection, plans[0], target)
            if not guarded:
                raise direct.NotDirectError
            columns = ", ".join(quoted(column.target) for column in plans[0].columns)
            statement = f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)"
            copied = copy_parts(connection, statement, _blocks(reading.parts()))
            if copied != sum(table.rows for table in reading.tables):
                raise VerificationFailed(
                    f"{sum(table.rows for table in reading.tables)} rows for {plans[0].target.name} were sent, and"
                    f" {copied} are there.",
                    "Nothing of them was kept; look for a trigger or rule of the table.",
                )
            ownership.add_chunks(connection, context.application, context.run_id, reading.chunks)
            ledger.add_loads(
                connection,
                context.application,
                [(*table.plan.identity, _entry(table, context)) for table in reading.tables],
            )
    except ROW_FAULTS as error:
        raise RefusedError from error
    return tuple(_loaded(table) for table in reading.tables)


class _Reading:
    """Reads and casts tables one after the other.

    :ivar tables: those that were read to their end.
    :ivar chunks: of those: for the ledger.
    """

    def __init__(self, plans: Sequence[TablePlan], context: Context) -> None:
        self._plans = plans
        self._context = context
        self.tables: list[_Table] = []
        self.chunks: list[ownership.Held] = []

    def parts(self) -> Iterator[bytes]:
        """Yield the rows of all tables as parts of a COPY stream."""
        for plan in self._plans:
            started = time.monotonic()
            table = _Table(plan)
            yield from self._parts(table)
            self.tables.append(table)
            table.seconds = time.monotonic() - started
            self._context.step(plan, table.rows, 0)

    def _parts(self, table: _Table) -> Iterator[bytes]:
        plan = table.plan
        path, _ = self._context.snapshots[plan.source]
        with open_snapshot(path) as source:
            encoder = Encoder(plan, lanes(source, plan), staged=False)
        content, keys = Content(plan.table, encoder.lanes), Keys.none()
        with closing(pieces(path, plan, encoder)) as found:
            for piece in found:
                if isinstance(piece, Part):
                    if piece.rejects:
                        raise RefusedError
                    keys.add(piece.locators, piece.keys, piece.key_sizes)
                    yield piece.stream
                    continue
                kept = keys.sorted()
                images = kept.images(piece.locators, piece.digests).to_bytes() if plan.imaged else None
                self.chunks.append(ownership.Held(plan, piece.chunk, kept.to_bytes(), images))
                content.add(piece.locators, piece.digests)
                table.rows += piece.chunk.rows
                table.mapped += piece.chunk.mapped
                keys = Keys.none()
        table.content_digest = content.hexdigest()
        record.count_again(path, plan, table.rows)


def _blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
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
        content_digest=table.content_digest,
        plan_digest=plan.digest,
        source_rows=table.rows,
        loaded_rows=table.rows,
        quarantined_rows=0,
        target_rows=table.rows,
        mapped=table.mapped,
        settled=True,
        key_columns=ownership.key_columns(plan),
        verified_at=None,
    )


def _loaded(table: _Table) -> Loaded:
    return Loaded(
        plan=table.plan,
        loaded=table.rows,
        quarantined=0,
        merged=Merged(inserted=table.rows),
        retained=0,
        shared=0,
        mapped=table.mapped,
        effective=True,
        seconds=table.seconds,
    )
