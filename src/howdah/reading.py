"""Reads rows of a snapshot in a fixed order, each with a locator by which it is found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from howdah.catalog.model import SourceTable
from howdah.discover import quoted

Row = tuple[Any, ...]
"""The values of one row in the order of the table's columns."""

# Rowids that are looked up by one statement.
_TOGETHER = 16_384


# Most arguments of a function, by SQLite's own bound.
_ARGUMENTS = 127


def rows(connection: sqlite3.Connection, table: SourceTable) -> Iterator[tuple[int, Row]]:
    """Yield (locator, values) for every row.

    The locator is the rowid; for WITHOUT ROWID tables (and where columns shadow every name of the rowid) it
    is the row's position, from 1, in the order of the key.
    """
    for position, row in enumerate(connection.execute(query(table)), start=1):
        yield row[0] if table.rowid else position, row[1:]


def query(table: SourceTable, condition: str = "") -> str:
    """Return what reads every row in its order: its rowid (0 where it has none), then its columns.

    :param condition: SQL of what holds of the rows; empty: every row.
    """
    columns = ", ".join(quoted(column.name) for column in table.columns)
    key = ", ".join(quoted(column) for column in table.primary_key) if table.without_rowid else ""
    order = table.rowid or key
    where = f" WHERE {condition}" if condition else ""
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT {table.rowid or '0'}, {columns} FROM {quoted(table.name)}{where}{ordered}"


def queries(table: SourceTable, only: Sequence[int] | None, after: int | None = None) -> Iterator[tuple[str, int]]:
    """Yield what compiled code reads rows by, in their order, one statement after the other.

    With each one the number of values that it hands to ``howdah_take`` after the locator, in its condition, which takes
    a quarter less time than to select them; -1 where it selects them. That is so where a function cannot take as many,
    where SQLite might read in another order and sort, and where only some rows are read.

    :param only: rowids of the rows, ascending; ``None``: every row.
    :param after: of every row, those with larger rowids; ``None``: all of them.
    """
    if only is None:
        behind = "" if after is None else f"{table.rowid} > {after}"
        if not table.rowid or table.virtual or len(table.columns) >= _ARGUMENTS:
            yield query(table, behind), -1
            return
        values = ", ".join([table.rowid, *(quoted(column.name) for column in table.columns)])
        # Without an index: through one that has all columns, SQLite might come by the rows in its order.
        where = " AND ".join(filter(None, [behind, f"howdah_take({values})"]))
        yield f"SELECT 1 FROM {quoted(table.name)} NOT INDEXED WHERE {where} ORDER BY {table.rowid}", len(table.columns)
        return
    for start in range(0, len(only), _TOGETHER):
        chosen = ",".join(map(str, only[start : start + _TOGETHER]))
        yield query(table, f"{table.rowid} IN (SELECT value FROM json_each('[{chosen}]'))"), -1


def pick(connection: sqlite3.Connection, table: SourceTable, locators: set[int]) -> Iterator[tuple[int, Row]]:
    """Yield the rows with the given locators, in their order."""
    if table.rowid:
        yield from some(connection, table, sorted(locators))
        return
    for locator, row in rows(connection, table):
        if locator in locators:
            yield locator, row


def some(connection: sqlite3.Connection, table: SourceTable, locators: list[int]) -> Iterator[tuple[int, Row]]:
    """Yield the rows with the given rowids, each looked up by itself."""
    columns = ", ".join(quoted(column.name) for column in table.columns)
    one = f"SELECT {columns} FROM {quoted(table.name)} WHERE {table.rowid} = ?"
    for locator in locators:
        for row in connection.execute(one, [locator]):
            yield locator, row


def count(connection: sqlite3.Connection, table: SourceTable) -> int:
    """Return how many rows a table has, counted by SQLite."""
    return int(connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()[0])


def row_digest(row: Row) -> bytes:
    """Return a digest of a row's values and storage classes (16 bytes)."""
    return sha256(row_bytes(row)).digest()[:16]


def row_bytes(row: Row) -> bytes:
    """Return bytes that stand for a row's values and storage classes."""
    # ascii() of a tuple of None, int, float, str and bytes is one to one: literals of different types look
    # different, floats print shortest-exact, strings are quoted and escaped.
    return ascii(row).encode("ascii")


def tagged(row: Row, table: SourceTable) -> str:
    """Return a whole row as JSON that PostgreSQL's jsonb can hold, storage classes kept.

    Integers, plain text and NULL stand for themselves; ``{"real": "1.5"}``, ``{"blob": "00ff"}`` and, for
    text that holds NUL or is no UTF-8, ``{"text_hex": "6100"}``.
    """
    return json.dumps({_safe(column.name): _tag(value) for column, value in zip(table.columns, row, strict=True)})


def key_of(locator: int, row: Row, table: SourceTable) -> str:
    """Return how a person finds a row again, as JSON: its primary key, else its rowid or position."""
    names = [column.name for column in table.columns]
    if table.primary_key:
        return json.dumps({_safe(name): _tag(row[names.index(name)]) for name in table.primary_key})
    return json.dumps({"rowid" if table.rowid else "position": locator})


def _tag(value: Any) -> Any:
    if isinstance(value, float):
        return {"real": repr(value)}
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, str) and _safe(value) is not value:
        return {"text_hex": value.encode("utf-8", "surrogateescape").hex()}
    return value


def _safe(text: str) -> str:
    """Return the text itself when jsonb can hold it, else something readable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\0")
    return text.replace("\x00", "\\0") if "\x00" in text else text
