"""Reads a table of a snapshot as Arrow batches, each column in its lane.

A lane is the storage class that most values of a column have. A row with a value of another class, or with one too
long for a batch, is *odd*: its values here mean nothing, and it is read again by itself.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable
from howdah.discover import quoted
from howdah.errors import SourceError

UNIT_ROWS = 16_384
"""Most rows of a unit."""
UNIT_BYTES = 4 << 20
"""A unit is not filled further once it holds more than this."""

# Longer values would make a batch of many rows too large for memory.
_LONGEST = 64 << 10
_BATCH_ROWS = 1_024
_SAMPLE = 2_000
# Integers that a double holds exactly.
_EXACT = 1 << 53

_LANES = {
    "integer": ("0", "CAST({c} AS INTEGER)", "typeof({c}) NOT IN ('integer', 'null')"),
    "real": ("0.0", "CAST({c} AS REAL)", "typeof({c}) NOT IN ('real', 'null')"),
    # Reals and integers side by side, for casts that do not tell them apart.
    "number": (
        "0.0",
        "CAST({c} AS REAL)",
        f"CASE typeof({{c}}) WHEN 'real' THEN 0 WHEN 'null' THEN 0"
        f" WHEN 'integer' THEN {{c}} NOT BETWEEN {-_EXACT} AND {_EXACT} ELSE 1 END",
    ),
    "text": (
        "''",
        f"CASE WHEN octet_length({{c}}) <= {_LONGEST} THEN CAST({{c}} AS TEXT) END",
        "typeof({c}) NOT IN ('text', 'null')",
    ),
    "blob": (
        "x''",
        f"CASE WHEN octet_length({{c}}) <= {_LONGEST} THEN CAST({{c}} AS BLOB) END",
        "typeof({c}) NOT IN ('blob', 'null')",
    ),
}
"""Lane → a first row's value, by which the driver learns the type; the expression to select; what makes a row odd."""

_LONG = ("text", "blob")
# Bytes of a source from which on it is worth a look whether it has long values at all.
_LARGE = 8 << 20
_TOO_LONG = f"octet_length({{c}}) > {_LONGEST}"


@dataclass(frozen=True)
class Unit:
    """Some consecutive rows of a table.

    :ivar locators: rowid of each row, or its position from 1 where there is no rowid.
    :ivar columns: one array for each column that was asked for.
    :ivar odd: rows whose values must be read again one by one.
    """

    locators: NDArray[np.int64]
    columns: tuple[Any, ...]
    odd: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.locators)


def lanes(connection: sqlite3.Connection, table: SourceTable, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the lane of each column, from a sample: it decides how fast a value is cast, never to what."""
    found: list[Counter[str]] = [Counter() for _ in columns]
    wanted = ", ".join(f"typeof({quoted(column)})" for column in columns)
    if columns:
        for row in connection.execute(f"SELECT {wanted} FROM {quoted(table.name)} LIMIT {_SAMPLE}"):
            for counter, kind in zip(found, row, strict=True):
                counter[kind] += 1
    return tuple(_lane(counter) for counter in found)


def _lane(classes: Counter[str]) -> str:
    del classes["null"]
    if not classes:
        return "text"
    return classes.most_common(1)[0][0]


def units(
    path: Path,
    table: SourceTable,
    columns: Sequence[str],
    kinds: Sequence[str],
    pure: Collection[str] = (),
    only: NDArray[np.int64] | None = None,
) -> Generator[Unit]:
    """Yield the rows of a table in reading order (the order of :func:`howdah.reading.rows`).

    :param columns: names of the columns to read.
    :param kinds: the lane of each.
    :param pure: columns of which it is known that all values are of their lane's class; it is not looked at again.
    :param only: rowids to read, ascending; ``None``: all rows.
    :raises SourceError: the snapshot cannot be read.
    """
    try:
        with closing(adbc.connect(_uri(path), autocommit=True)) as connection, closing(connection.cursor()) as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)})
            long = _long(path, table.name, tuple(columns)) if only is None else frozenset(columns)
            for query in _queries(table, columns, kinds, pure, long, only):
                cursor.execute(query)
                with cursor.fetch_record_batch() as reader:
                    yield from _gathered(reader, bool(table.rowid))
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise SourceError(
            f"Table {table.name} cannot be read: {reason}.",
            "Check the file with: sqlite3 FILE 'PRAGMA integrity_check'",
        ) from error


def _long(path: Path, table: str, columns: tuple[str, ...]) -> frozenset[str]:
    """Return the columns of a snapshot that may have values too long for a batch: all, where a look is not worth it."""
    there = path.stat()
    if not columns or there.st_size < _LARGE:
        return frozenset(columns)
    return _looked_for_long(path, (there.st_ino, there.st_size, there.st_mtime_ns), table, columns)


@lru_cache(maxsize=512)
def _looked_for_long(path: Path, _: tuple[int, ...], table: str, columns: tuple[str, ...]) -> frozenset[str]:
    """Look once for all stages of a run: at the head of each row, where SQLite keeps how long its values are.

    :param _: tells the file from another one that is at the same place later.
    """
    asked = ", ".join(f"coalesce(max({_TOO_LONG.format(c=quoted(column))}), 0)" for column in columns)
    with closing(adbc.connect(_uri(path), autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT {asked} FROM {quoted(table)}")
        found = cursor.fetchone() or ()
    return frozenset(column for column, long in zip(columns, found, strict=True) if long)


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _queries(
    table: SourceTable,
    columns: Sequence[str],
    kinds: Sequence[str],
    pure: Collection[str],
    long: Collection[str],
    only: NDArray[np.int64] | None,
) -> Iterator[str]:
    if only is None:
        yield _query(table, columns, kinds, pure, long)
        return
    for start in range(0, len(only), UNIT_ROWS):
        chosen = ",".join(map(str, only[start : start + UNIT_ROWS].tolist()))
        wanted = f" WHERE {table.rowid} IN (SELECT value FROM json_each('[{chosen}]'))"
        yield _query(table, columns, kinds, pure, long, wanted)


def _query(
    table: SourceTable,
    columns: Sequence[str],
    kinds: Sequence[str],
    pure: Collection[str],
    long: Collection[str],
    where: str = "",
) -> str:
    sentinel = ", ".join(["0", "0", *(_LANES[kind][0] for kind in kinds)])
    odd = _balanced(
        [
            condition.format(c=quoted(column))
            for column, kind in zip(columns, kinds, strict=True)
            for condition in ((_TOO_LONG,) if kind in _LONG and column in long else ())
            + (() if column in pure else (_LANES[kind][2],))
        ]
    )
    selected = [
        quoted(column) if column in pure and (kind not in _LONG or column not in long)
        # What is of another class, or too long, becomes something of the lane's type.
        else _LANES[kind][1].format(c=quoted(column))
        for column, kind in zip(columns, kinds, strict=True)
    ]  # fmt: skip
    values = ", ".join([table.rowid or "0", f"{odd} IS TRUE", *selected])
    order = table.rowid or (", ".join(quoted(c) for c in table.primary_key) if table.without_rowid else "")
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT {sentinel} UNION ALL SELECT * FROM (SELECT {values} FROM {quoted(table.name)}{where}{ordered})"


def _balanced(conditions: list[str]) -> str:
    """Return the disjunction of conditions, as a flat tree: SQLite limits the depth of expressions."""
    if len(conditions) <= 1:
        return conditions[0] if conditions else "0"
    middle = len(conditions) // 2
    return f"({_balanced(conditions[:middle])} OR {_balanced(conditions[middle:])})"


def _gathered(reader: Any, has_rowid: bool) -> Iterator[Unit]:
    """Put batches together to units."""
    held: list[Any] = []
    rows = size = 0
    done = 0
    first = True
    for batch in reader:
        if first:
            # The first row only told the driver the types.
            batch, first = batch.slice(1), False
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows + _BATCH_ROWS > UNIT_ROWS or size > UNIT_BYTES:
            yield _unit(held, done, has_rowid)
            done += rows
            held, rows, size = [], 0, 0
    if rows:
        yield _unit(held, done, has_rowid)


def _unit(batches: list[Any], done: int, has_rowid: bool) -> Unit:
    table = pa.Table.from_batches(batches).combine_chunks()
    locators, odd, *columns = (column.chunk(0) for column in table.columns)
    rows = len(locators)
    return Unit(
        locators=(
            locators.to_numpy(zero_copy_only=False)
            if has_rowid
            else np.arange(done + 1, done + rows + 1, dtype=np.int64)
        ),
        columns=tuple(columns),
        odd=odd.to_numpy(zero_copy_only=False) != 0,
    )
