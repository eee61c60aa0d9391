"""Streams rows from PostgreSQL into SQLite: PostgreSQL casts, the client only passes values on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from howdah import pg
from howdah.casts.clocks import CLOCKS
from howdah.discover import quoted
from howdah.export.values import Column, Table
from howdah.pg import Connection, literal, qualified
from howdah.reverse import INEXACT, WHOLE

# Pages that SQLite may hold, in KiB.
_CACHE = 65_536
# Rows between two reports of progress.
_STEP = 10_000

Part = tuple[str, str]
"""An expression of PostgreSQL, and the type that it has there."""

Originals = Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]
"""(schema, namespace) → where the texts of mapped identifiers are kept: table, column of the UUID, of the text."""

_DOUBLE = (
    "({0} = 0 OR abs({0}) BETWEEN 5e-324::numeric AND 1.7976931348623157e308::numeric"
    " OR {0} IN ('Infinity', '-Infinity'))"
)
_INT8 = "({0} = trunc({0}) AND {0} BETWEEN -9223372036854775808 AND 9223372036854775807)"
_COUNTED = "(isfinite({0}) AND {0} >= '0001-01-01' AND {0} < '10000-01-01')"


def open_new(path: Path) -> sqlite3.Connection:
    """Open a file that nobody else reads yet: no durability until it is finished."""
    connection = sqlite3.connect(path)
    connection.isolation_level = None
    for setting in ("journal_mode = MEMORY", "synchronous = OFF", f"cache_size = -{_CACHE}", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {setting}")
    return connection


def make(file: sqlite3.Connection, table: Table) -> None:
    """Make a table, without indexes.

    :raises sqlite3.Error: SQLite does not take its declaration.
    """
    for statement in table.create:
        file.execute(statement)


def drop(file: sqlite3.Connection, table: Table) -> None:
    """Remove a table with its rows."""
    file.execute(f"DROP TABLE IF EXISTS {quoted(table.name)}")


def fill(
    connection: Connection,
    file: sqlite3.Connection,
    table: Table,
    originals: Originals,
    step: Callable[[int], None],
) -> int:
    """Copy the rows of a table, in one transaction; return how many.

    :param step: called with the rows done so far.
    :raises sqlite3.Error: a row breaks a constraint of the table; then it is empty.
    """
    if table.held is None or not table.columns:
        return 0
    parts = [_parts(column, number) for number, column in enumerate(table.columns)]
    statement = _statement(table, parts, originals)
    types = [kind for group in parts for _, kind in group]
    # A savepoint: what SQLite refuses must not end the snapshot.
    with connection.transaction(), closing(pg.copy_rows(connection, statement, types)) as stream:
        rows = _Counted(stream, step)
        file.execute("BEGIN")
        try:
            file.executemany(_insert(table, parts), rows)
        except BaseException:
            file.execute("ROLLBACK")
            raise
        file.execute("COMMIT")
    step(rows.done)
    return rows.done


class _Counted:
    """Passes rows on and says now and then how many."""

    def __init__(self, rows: Iterator[tuple[object, ...]], step: Callable[[int], None]) -> None:
        self.done = 0
        self._rows = rows
        self._step = step

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        for row in self._rows:
            yield row
            self.done += 1
            if self.done % _STEP == 0:
                self._step(self.done)


def _insert(table: Table, parts: list[list[Part]]) -> str:
    """Return the INSERT; of several parts of a column the one that is not NULL is its value."""
    values, number = [], 0
    for group in parts:
        marks = [f"?{number + position + 1}" for position in range(len(group))]
        number += len(group)
        values.append(marks[0] if len(marks) == 1 else f"coalesce({', '.join(marks)})")
    columns = ", ".join(quoted(column.name) for column in table.columns)
    return f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({', '.join(values)})"


def _statement(table: Table, parts: list[list[Part]], originals: Originals) -> str:
    assert table.held is not None  # noqa: S101 - fill() has seen to it
    held = table.held
    selected = ", ".join(sql for group in parts for sql, _ in group)
    source = f"{'ONLY ' if table.only else ''}{qualified(held.schema, held.name)} t"
    for number, column in enumerate(table.columns):
        if column.mapped:
            known = _known(held.schema, originals.get((held.schema, column.mapped.namespace), ()))
            source += f" LEFT JOIN {known} m{number} ON m{number}.u = t.{pg.quoted(column.target)}"
    order = ", ".join(_sorted(table, name) for name in table.key)
    ordered = f" ORDER BY {order}" if order else ""
    return f"COPY (SELECT {selected} FROM {source}{ordered}) TO STDOUT (FORMAT BINARY)"


def _known(schema: str, places: tuple[tuple[str, str, str], ...]) -> str:
    """Return a relation of UUIDs (``u``) and the texts (``k``) that they were mapped from."""
    found = [
        f"SELECT {pg.quoted(uuid)} AS u, {pg.quoted(text)} AS k FROM {qualified(schema, name)}"
        f" WHERE {pg.quoted(text)} IS NOT NULL"
        for name, uuid, text in places
    ]
    together = " UNION ALL ".join(found) or "SELECT NULL::uuid AS u, NULL::text AS k WHERE false"
    return f"(SELECT DISTINCT ON (u) u, k FROM ({together}) x ORDER BY u, k)"


def _sorted(table: Table, name: str) -> str:
    """Return how a key column is sorted: as SQLite's own index will be, so that it grows at its end."""
    column = next(column for column in table.columns if column.target == name)
    binary = ' COLLATE "C"' if column.type.name in ("text", "varchar", "bpchar") and column.type.kind == "b" else ""
    return f"t.{pg.quoted(name)}{binary}"


def _parts(column: Column, number: int) -> list[Part]:
    """Return the expressions of which the first that is not NULL is a column's value, in its storage class."""
    c = f"t.{pg.quoted(column.target)}"
    if column.mapped:
        kept = f"t.{pg.quoted(column.mapped.kept)}, " if column.mapped.kept else ""
        return [(f"coalesce({kept}m{number}.k, {c}::text)", "text")]
    kind = column.type.name
    if column.storage == "blob":
        return [(f"uuid_send({c})" if kind == "uuid" else f"{c}::bytea", "bytea")]
    if column.unit:
        return _clock(column, c)
    if column.storage == "text":
        return [(_text(kind, c), "text")]
    if kind == "bool":
        return _whole(column, f"{c}::int4")
    if kind in WHOLE:
        return _whole(column, c)
    if kind in INEXACT:
        whole = f"{c} = trunc({c}) AND {c} >= -9223372036854775808 AND {c} < 9223372036854775808"
        return _number(column, c, whole, f"{c} <> 'NaN'")
    if kind == "numeric":
        return _number(column, c, _INT8.format(c), _DOUBLE.format(c))
    return [(f"{c}::text", "text")]


def _whole(column: Column, value: str) -> list[Part]:
    kind = "float8" if column.storage == "real" else "int8"
    return [(f"{value}::{kind}", kind)]


def _number(column: Column, value: str, whole: str, double: str) -> list[Part]:
    """Return a number as an integer, a double, or (NaN, or beyond a double) as its text."""
    integer = [(f"CASE WHEN {whole} THEN {value}::int8 END", "int8")] if column.storage == "number" else []
    return [
        *integer,
        (f"CASE WHEN {double} THEN {value}::float8 END", "float8"),
        (f"CASE WHEN NOT ({double}) THEN t.{pg.quoted(column.target)}::text END", "text"),
    ]


def _text(kind: str, c: str) -> str:
    if kind == "timestamptz":
        # With minutes in the offset: SQLite's own functions and Python's read it.
        return f"CASE WHEN {_COUNTED.format(c)} THEN ({c} AT TIME ZONE 'UTC')::text || '+00:00' ELSE {c}::text END"
    return f"{c}::text"


def _clock(column: Column, c: str) -> list[Part]:
    """Return a moment as a number of its clock; what no clock shows (infinity) is PostgreSQL's text."""
    clock = CLOCKS[column.unit]
    moment = f"date_trunc('milliseconds', {c}::timestamp)" if clock.grain else c
    seconds = f"(extract(epoch FROM {moment}) - ({clock.zero // 1_000_000}))"
    per_second = 1_000_000 / clock.unit
    # Multiplied it is exact; of the one clock whose unit is longer than a second nothing is.
    value = f"({seconds} * {per_second})" if per_second >= 1 else f"({seconds}::numeric(38, 18) / {1 / per_second})"
    counted = _COUNTED.format(c)
    other = f"CASE WHEN NOT {counted} THEN {c}::text END"
    if column.storage == "text":
        return [(f"CASE WHEN {counted} THEN trim_scale({value})::text END", "text"), (other, "text")]
    integer = (f"CASE WHEN {counted} AND {_INT8.format(value)} THEN {value}::int8 END", "int8")
    return [
        *([integer] if column.storage == "number" else []),
        (f"CASE WHEN {counted} THEN {value}::float8 END", "float8"),
        (other, "text"),
    ]


def set_sequence(file: sqlite3.Connection, table: Table, value: int) -> None:
    """Let AUTOINCREMENT go on past a value that was given once, even if its row is gone."""
    if value <= 0:
        return
    row = file.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name]).fetchone()
    if row is None:
        file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table.name, value])
    elif row[0] < value:
        file.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", [value, table.name])


def filled(connection: Connection, table: str, columns: Mapping[str, str]) -> frozenset[str]:
    """Return which columns of a table hold anything but NULL and the value that stands there for every row.

    :param table: qualified and quoted.
    :param columns: column → that value, or empty.
    """
    if not columns:
        return frozenset()
    tests = [
        f"bool_or({pg.quoted(name)} IS NOT NULL AND {pg.quoted(name)}::text <> {literal(value)})"
        if value
        else f"bool_or({pg.quoted(name)} IS NOT NULL)"
        for name, value in columns.items()
    ]
    row = pg.execute(connection, f"SELECT {', '.join(tests)} FROM {table}").fetchone() or ()
    return frozenset(name for name, found in zip(columns, row, strict=True) if found)
