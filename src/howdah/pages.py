"""The rows of a table as they lie in the pages of a snapshot: SQLite takes some times longer to hand rows out.

Only what is usual is read so; see :mod:`howdah.native.tree`. Of the rest SQLite is asked.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from howdah import header
from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_snapshot
from howdah.native.tree import StoredRows, UnknownError

_PLAIN, _REAL, _ROWID = range(3)
_TABLES = "(SELECT name, rootpage FROM main.sqlite_master WHERE type = 'table')"
# What a schema declares from which on its tables are many.
_MANY = 100


@contextmanager
def stored_rows(path: Path, table: SourceTable) -> Iterator[StoredRows]:
    """Give the rows of a table.

    :raises UnknownError: the table is not of the usual kind.
    """
    columns, root = _columns(table), _root(path, table)
    fields = header.parse(header.read(path))
    if fields.encoding != "UTF-8":
        raise UnknownError
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pages = os.fstat(file).st_size // fields.page_size
        usable = fields.page_size - fields.reserved
        yield StoredRows(file, root, columns, page_size=fields.page_size, usable=usable, pages=pages)
    finally:
        os.close(file)


def _columns(table: SourceTable) -> bytes:
    """Return what becomes of the values of each column.

    :raises UnknownError: SQLite makes more of them.
    """
    if not table.rowid or table.virtual or any(c.generated or not c.declared.isascii() for c in table.columns):
        raise UnknownError
    real = {column.name for column in table.columns if affinity(column.declared, table.strict) == "REAL"}
    return bytes(
        _ROWID if column.name == table.rowid_alias else _REAL if column.name in real else _PLAIN
        for column in table.columns
    )


def _root(path: Path, table: SourceTable) -> int:
    with open_snapshot(path) as connection:
        row = connection.execute(f"SELECT rootpage FROM {_roots(connection)} WHERE name = ?", [table.name]).fetchone()
    if row is None or not row[0]:
        raise UnknownError
    return int(row[0])


def _roots(connection: sqlite3.Connection) -> str:
    """Return what has name and root of each table: of many, a table of its own, where SQLite need not look at all."""
    (count,) = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM main.sqlite_master LIMIT {_MANY})").fetchone()
    if count < _MANY:
        return _TABLES
    # Beside the snapshot and not among temporary tables: those would hide tables of the snapshot by their names.
    if not any(name == "howdah" for _, name, _ in connection.execute("PRAGMA database_list")):
        connection.execute("ATTACH DATABASE ':memory:' AS howdah")
        connection.execute("CREATE TABLE howdah.root (name TEXT PRIMARY KEY, rootpage INTEGER) WITHOUT ROWID")
        connection.execute(f"INSERT INTO howdah.root SELECT name, rootpage FROM {_TABLES}")
    return "howdah.root"
