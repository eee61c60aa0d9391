"""Streams rows from PostgreSQL into SQLite: PostgreSQL casts, the client only passes values on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from howdah import pg
from howdah.discover import quoted
from howdah.export import query
from howdah.export.values import Table
from howdah.pg import Connection, literal

# Pages that SQLite may hold, in KiB.
_CACHE = 65_536
# Rows between two reports of progress.
_STEP = 10_000


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
    originals: query.Originals,
    step: Callable[[int], None],
) -> int:
    """Copy the rows of a table, in one transaction; return how many.

    :param step: called with the rows done so far.
    :raises sqlite3.Error: a row breaks a constraint of the table; then it is empty.
    """
    if table.held is None or not table.columns:
        return 0
    parts = [query.parts(column, number) for number, column in enumerate(table.columns)]
    statement = query.statement(table, table.held, parts, originals)
    # A savepoint: what SQLite refuses must not end the snapshot.
    with connection.transaction(), closing(pg.stream(connection, statement, binary=True)) as stream:
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


def _insert(table: Table, parts: list[list[str]]) -> str:
    """Return the INSERT; of several parts of a column the one that is not NULL is its value."""
    values, number = [], 0
    for group in parts:
        marks = [f"?{number + position + 1}" for position in range(len(group))]
        number += len(group)
        values.append(marks[0] if len(marks) == 1 else f"coalesce({', '.join(marks)})")
    columns = ", ".join(quoted(column.name) for column in table.columns)
    return f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({', '.join(values)})"


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
