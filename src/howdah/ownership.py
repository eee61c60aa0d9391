"""Which rows of the target are ours: the ledger keeps their keys, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from howdah.conditions import image_digest
from howdah.errors import TargetRefused
from howdah.images import Images, Keys
from howdah.order import batched
from howdah.pg import Connection, copy_binary, copy_out_rows, copy_typed, execute, qualified, quoted
from howdah.plan import TablePlan
from howdah.vector.digests import of_chunk
from howdah.vector.stream import Chunk

RETAINED = -1
"""Ordinal of the ledger chunk of rows that vanished from the source and still wait to be deleted."""

# Chunks whose keys are in memory at the same time: about a million keys.
_CHUNKS = 64
_IMAGES_PER_CHUNK = 16_384
_HELD_BYTES = 8 << 20
_KEYS_PER_LITERAL = 10_000


def key_columns(plan: TablePlan) -> list[list[str]]:
    """Return name and type of each column that identifies a row; rows without a key go by their image."""
    types = {column.target: column.type.sql for column in plan.columns}
    return [[name, types[name]] for name in plan.key] or [["h", "int8"]]


def recall(connection: Connection, application: str, plan: TablePlan, table: str, ordinal: int | None = None) -> int:
    """Fill a new temporary table with the keys of our rows, from the ledger; return how many.

    :param table: name of the temporary table, as ``pg_temp.name``.
    :param ordinal: only the keys of this chunk.
    :raises TargetRefused: the target's key is another one than when the rows were loaded.
    """
    columns = key_columns(plan)
    _make(connection, table, columns)
    known = [application, *plan.identity]
    row = connection.execute(
        "SELECT key_columns FROM howdah.load WHERE application = %s AND source = %s AND table_name = %s", known
    ).fetchone()
    before = row[0] if row else columns
    if [name for name, _ in before] != [name for name, _ in columns]:
        raise TargetRefused(
            f"The key of {plan.target.name} is not the one that its rows were loaded by.",
            "Restore the old key, or move the data into another schema: howdah migrate --schema NAME",
        )
    raw = table
    if before != columns:
        raw = f"{table}_before"
        _make(connection, raw, before)
    ordinals = connection.execute(
        """SELECT ordinal FROM howdah.chunk WHERE application = %s AND source = %s AND table_name = %s
           AND ordinal = coalesce(%s::int, ordinal) ORDER BY ordinal""",
        [*known, ordinal],
    ).fetchall()
    for batch in batched([row[0] for row in ordinals], _CHUNKS):
        rows = connection.execute(
            """SELECT keys FROM howdah.chunk WHERE application = %s AND source = %s AND table_name = %s
               AND ordinal = ANY (%s)""",
            [*known, batch],
            binary=True,
        )
        copy_binary(connection, f"COPY {raw} FROM STDIN (FORMAT BINARY)", b"".join(row[0] for row in rows))
    if raw != table:
        casts = ", ".join(f"{quoted(name)}::{kind}" for name, kind in columns)
        execute(connection, f"INSERT INTO {table} SELECT {casts} FROM {raw}")
    found = execute(connection, f"SELECT count(*) FROM {table}").fetchone() or (0,)
    if found[0] > 1000:
        execute(connection, f"ANALYZE {table}")
    return int(found[0])


def give(connection: Connection, plan: TablePlan, table: str, keys: bytes) -> None:
    """Fill a new temporary table with keys.

    :param table: name of the temporary table, as ``pg_temp.name``.
    :param keys: as the ledger keeps them.
    """
    _make(connection, table, key_columns(plan))
    copy_binary(connection, f"COPY {table} FROM STDIN (FORMAT BINARY)", keys)
    execute(connection, f"ANALYZE {table}")


def literals(connection: Connection, plan: TablePlan, table: str) -> Iterator[tuple[str, ...]]:
    """Yield the keys of a temporary table some at a time: of each key column an array of its values, as text.

    Such texts can be sent over another connection, which does not see the table.
    """
    # By names of our own, which no column has.
    names = [f"c{number}" for number in range(len(key_columns(plan)))]
    arrays = ", ".join(f"array_agg({name})::text" for name in names)
    parts = f"(SELECT *, row_number() OVER () / {_KEYS_PER_LITERAL} FROM {table}) AS k ({', '.join(names)}, part)"
    yield from execute(connection, f"SELECT {arrays} FROM {parts} GROUP BY part")


def _make(connection: Connection, table: str, columns: list[list[str]]) -> None:
    typed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
    execute(connection, f"CREATE TEMP TABLE {table.removeprefix('pg_temp.')} ({typed}) ON COMMIT DROP")


@dataclass(frozen=True)
class Held:
    """A chunk that waits to be written.

    :ivar images: as :class:`howdah.images.Images` has it.
    """

    plan: TablePlan
    chunk: Chunk
    keys: bytes
    images: bytes | None

    def row(self, application: str, run_id: object) -> tuple[Any, ...]:
        """Return what the ledger keeps."""
        c = self.chunk
        place = (application, *self.plan.identity, c.ordinal, run_id)
        return (*place, c.first, c.last, c.rows, c.digest, self.keys, self.images)


def add_chunks(connection: Connection, application: str, run_id: object, chunks: Iterable[Held]) -> None:
    """Write chunks of tables that the ledger holds none of."""
    _write(connection, (held.row(application, run_id) for held in chunks))


class Writer:
    """Writes the chunks of a table, in place of what was there, as they come; never many in memory.

    A context manager: what is left is written at its end.

    :param fresh: nothing is there.
    """

    def __init__(
        self, connection: Connection, application: str, run_id: object, plan: TablePlan, *, fresh: bool = False
    ) -> None:
        self._connection = connection
        self._application = application
        self._run_id = run_id
        self._plan = plan
        self._held: list[Held] = []
        self._size = 0
        self._fresh = fresh

    def __enter__(self) -> Writer:
        """Take away what was there."""
        if not self._fresh:
            execute(
                self._connection,
                "DELETE FROM howdah.chunk WHERE application = %s AND source = %s AND table_name = %s",
                [self._application, *self._plan.identity],
            )
        return self

    def add(self, chunk: Chunk, keys: bytes, images: bytes | None = None) -> None:
        """Take in a chunk.

        :param images: as :class:`howdah.images.Images` has it.
        """
        self._held.append(Held(self._plan, chunk, keys, images))
        self._size += len(keys) + len(images or b"")
        if self._size > _HELD_BYTES:
            self._flush()

    def _flush(self) -> None:
        add_chunks(self._connection, self._application, self._run_id, self._held)
        self._held, self._size = [], 0

    def __exit__(self, kind: object, *_: object) -> None:
        """Write the rest, if nothing went wrong."""
        if kind is None and self._held:
            self._flush()


@dataclass(frozen=True)
class Written:
    """A chunk as it is to be.

    :ivar keys: of the rows that are ours; ``None``: they are as they were.
    """

    ordinal: int
    images: Images
    keys: bytes | None = None


def replace_chunks(
    connection: Connection, application: str, run_id: object, plan: TablePlan, chunks: Sequence[Written]
) -> None:
    """Write chunks in place of what was there; one without rows goes."""
    known = (application, *plan.identity)
    where = "application = %s AND source = %s AND table_name = %s"
    same = [chunk for chunk in chunks if chunk.keys is None]
    if same:
        statement = f"""UPDATE howdah.chunk SET run_id = %s, source_digest = %b, images = %b
                        WHERE {where} AND ordinal = %s"""
        with connection.cursor() as cursor:
            # The server works on one while the next one is made.
            cursor.executemany(
                statement,
                (
                    (run_id, of_chunk(c.images.locators, c.images.digests), c.images.to_bytes(), *known, c.ordinal)
                    for c in same
                ),
            )
    others = [chunk for chunk in chunks if chunk.keys is not None]
    if others:
        gone = [chunk.ordinal for chunk in others]
        execute(connection, f"DELETE FROM howdah.chunk WHERE {where} AND ordinal = ANY (%s)", [*known, gone])
        _write(connection, ((*known, *_row(chunk, run_id)) for chunk in others if len(chunk.images)))


def _row(chunk: Written, run_id: object) -> tuple[Any, ...]:
    locators, digest = chunk.images.locators, of_chunk(chunk.images.locators, chunk.images.digests)
    place = (chunk.ordinal, run_id, int(locators[0]), int(locators[-1]), len(locators))
    return (*place, digest, chunk.keys, chunk.images.to_bytes())


def record_retained(connection: Connection, application: str, run_id: object, plan: TablePlan, retained: str) -> int:
    """Write anew which rows of ours still wait to be deleted; return how many.

    :param retained: SQL that gives the key columns of those rows.
    """
    known = (application, *plan.identity)
    execute(
        connection,
        "DELETE FROM howdah.chunk WHERE application = %s AND source = %s AND table_name = %s AND ordinal = %s",
        [*known, RETAINED],
    )
    keys = list(copy_out_rows(connection, f"COPY ({retained}) TO STDOUT (FORMAT BINARY)"))
    if keys:
        _write(connection, [(*known, RETAINED, run_id, None, None, len(keys), b"", b"".join(keys), None)])
    return len(keys)


def keys_of(connection: Connection, query: str) -> dict[int, Keys]:
    """Return the keys of rows by chunk, in order of their locators.

    :param query: gives the chunk's ordinal (an int4), the locator (an int8) and the key columns, by locator.
    """
    found: dict[int, tuple[list[int], list[bytes]]] = {}
    for row in copy_out_rows(connection, f"COPY ({query}) TO STDOUT (FORMAT BINARY)"):
        # Two bytes for the number of columns; then for each column four for its length, and its value.
        count = int.from_bytes(row[:2], "big") - 2
        locators, keys = found.setdefault(int.from_bytes(row[6:10], "big"), ([], []))
        locators.append(int.from_bytes(row[14:22], "big", signed=True))
        keys.append(count.to_bytes(2, "big") + row[22:])
    return {n: Keys(np.array(at, np.int64), pa.array(keys, pa.binary())) for n, (at, keys) in found.items()}


def record_images(
    connection: Connection, application: str, run_id: object, plan: TablePlan, chunks: Sequence[Chunk]
) -> None:
    """Write the chunks of a table without a key, and as their keys the images of all rows of its plain target table.

    With which chunk an image lies says nothing, as rows without a key have no place.
    """
    parts = _images(connection, plan)
    with Writer(connection, application, run_id, plan) as writer:
        for chunk in chunks[:-1]:
            writer.add(chunk, next(parts, b""))
        for chunk in chunks[-1:]:
            writer.add(chunk, b"".join(parts))


def image_row(plan: TablePlan) -> str:
    """Return SQL of a row's image as the ledger keeps it: a row of a binary COPY stream, with one column."""
    return f"'\\x000100000008'::bytea || int8send({image_digest(tuple(c.target for c in plan.columns))})"


def _images(connection: Connection, plan: TablePlan) -> Iterator[bytes]:
    """Yield the images of all rows of a table, about as many at a time as a chunk has rows."""
    target = qualified(plan.target.schema, plan.target.name)
    (pages,) = connection.execute(
        "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int", [target]
    ).fetchone() or (0,)
    step = max(pages * _IMAGES_PER_CHUNK // max(plan.rows, 1), 1)
    with connection.cursor(binary=True) as cursor:
        for first in range(0, pages, step):
            part = f"ctid >= '({first},0)' AND ctid < '({first + step},0)'"
            query = f"SELECT string_agg({image_row(plan)}, '') FROM {target} WHERE {part}"
            (keys,) = cursor.execute(query).fetchone() or (None,)
            if keys:
                yield keys


def _write(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    copy_typed(
        connection,
        """COPY howdah.chunk (application, source, table_name, ordinal, run_id, first_rowid, last_rowid, rows,
                              source_digest, keys, images) FROM STDIN (FORMAT BINARY)""",
        ("text", "text", "text", "int4", "uuid", "int8", "int8", "int8", "bytea", "bytea", "bytea"),
        rows,
    )
