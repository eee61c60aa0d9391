"""A sound database with another's schema, whose tables take rows exactly as they were stored.

SQLite checks and converts what is inserted: NOT NULL, UNIQUE, CHECK and STRICT refuse rows, affinity changes values.
So every table is declared loose (bare columns) while it is filled, and gets its own declaration back afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from howdah.catalog import sqlite
from howdah.catalog.model import SourceTable
from howdah.discover import quoted
from howdah.header import Header


@dataclass(frozen=True)
class Entry:
    """One row of a database's ``sqlite_master``."""

    kind: str
    name: str
    table: str
    root: int
    sql: str

    @property
    def holds_rows(self) -> bool:
        """Return whether it is an ordinary table (or a shadow table), not one of SQLite's own."""
        return self.kind == "table" and self.root > 0 and not self.name.startswith("sqlite_")


@dataclass(frozen=True)
class Note:
    """Something of the schema that could not be kept."""

    code: str
    table: str
    text: str
    sql: str = ""


class Replica:
    """The database at ``target`` while it is made; ``original`` is the damaged one, which nobody writes.

    :ivar notes: what could not be kept.
    """

    def __init__(self, target: Path, original: Path, fields: Header) -> None:
        self._target, self._original = target, original
        self._tables: dict[str, SourceTable] = {}
        self._declared: dict[str, str] = {}
        self._own_indexes: list[tuple[int, str, str, int]] = []
        self.notes: list[Note] = []
        with self.connected() as connection:
            connection.execute(f"PRAGMA encoding = '{fields.encoding}'")
            connection.execute(f"PRAGMA page_size = {fields.page_size}")
            connection.execute("PRAGMA auto_vacuum = 0")
            connection.execute("CREATE TABLE t (a)")
            connection.execute("DROP TABLE t")

    @contextmanager
    def connected(self, original: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the replica, with the original as schema ``damaged`` beside it when asked for.

        Whatever is readable of the original's schema is there, errors in it or not.
        """
        with closing(sqlite3.connect(self._target.as_uri(), uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            if original:
                connection.execute("ATTACH ? AS damaged", [f"{self._original.as_uri()}?mode=ro&immutable=1"])
            yield connection

    def create(self, entries: tuple[Entry, ...]) -> tuple[SourceTable, ...]:
        """Make the tables, empty and loose; return them as they are really declared.

        Columns that are generated when read are left out: no row holds them.
        """
        with self.connected(original=True) as connection:
            for entry in entries:
                if not entry.holds_rows:
                    continue
                try:
                    connection.execute(entry.sql)
                except sqlite3.Error as error:
                    self._substitute(connection, entry, error)
        tables = sqlite.read(self._target).tables
        with self.connected() as connection, transaction(connection):
            tables = tuple(_without_virtual(connection, table) for table in tables)
            self._tables = {table.name: table for table in tables}
            self._declared = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            self._own_indexes = connection.execute(
                "SELECT rowid, name, tbl_name, rootpage FROM sqlite_master WHERE type = 'index'"
            ).fetchall()
            connection.execute("DELETE FROM sqlite_master WHERE type = 'index'")
            for table in tables:
                _declare(connection, table.name, _bare(table))
        return tables

    def _substitute(self, connection: sqlite3.Connection, entry: Entry, error: sqlite3.Error) -> None:
        """Declare a table by its columns alone, where its own declaration needs what is not here."""
        name = quoted(entry.name)
        columns = connection.execute(f"PRAGMA damaged.table_xinfo({name})").fetchall()
        try:
            connection.execute(f"SELECT rowid FROM damaged.{name} LIMIT 0")
            single = [row[5] for row in columns if row[5]] == [1]
            parts = [
                f"{quoted(column)} {declared}"
                + (" PRIMARY KEY" if single and position and declared.upper() == "INTEGER" else "")
                for _, column, declared, _, _, position, hidden in columns
                if not hidden
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(parts)})")
        except sqlite3.Error:
            self._note("table_lost", entry, f"Table {entry.name} is lost: {error}.")
        else:
            self._note("definition_simplified", entry, f"Its keys and constraints cannot be used: {error}.")

    def finish(self, entries: tuple[Entry, ...]) -> None:
        """Give every table its declaration back, fill its indexes, and add the rest of the schema."""
        self._tighten()
        broken = set()
        with self.connected() as connection:
            for name in sorted({row[2] for row in self._own_indexes}):
                try:
                    connection.execute(f"REINDEX {quoted(name)}")
                except sqlite3.Error as error:
                    broken.add(name)
                    entry = next(entry for entry in entries if entry.kind == "table" and entry.name == name)
                    self._note("definition_simplified", entry, f"Its rows break its keys: {error}.")
        self._simplify(broken)
        with self.connected() as connection:
            for entry in entries:
                if entry.kind != "index" or not entry.sql:
                    continue
                try:
                    connection.execute(entry.sql)
                except sqlite3.Error as error:
                    self._note("index_lost", entry, f"Index {entry.name} cannot be made: {error}.")
            with transaction(connection):
                connection.executemany(
                    "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
                    [(e.kind, e.name, e.table, e.sql) for e in entries if not e.root and e.sql],
                )

    def _tighten(self) -> None:
        with self.connected() as connection, transaction(connection):
            for name, sql in self._declared.items():
                _declare(connection, name, sql)
            connection.executemany(
                """INSERT INTO sqlite_master (rowid, type, name, tbl_name, rootpage, sql)
                   VALUES (?, 'index', ?, ?, ?, NULL)""",
                self._own_indexes,
            )

    def _simplify(self, names: set[str]) -> None:
        """Leave out the keys of tables whose rows break them: the rows matter more."""
        unwanted = [(rowid, name) for rowid, _, name, _ in self._own_indexes if name in names]
        with self.connected() as connection, transaction(connection):
            for name in names:
                _declare(connection, name, _bare(self._tables[name], typed=True))
            for rowid, name in unwanted:
                # SQLite frees the pages of an index only when somebody made it, and it is not a key's own.
                column = quoted(self._tables[name].columns[0].name)
                sql = f"CREATE INDEX howdah_{rowid} ON {quoted(name)} ({column})"
                connection.execute(
                    "UPDATE sqlite_master SET name = ?, sql = ? WHERE rowid = ?", [f"howdah_{rowid}", sql, rowid]
                )
        with self.connected() as connection:
            for rowid, _ in unwanted:
                connection.execute(f"DROP INDEX howdah_{rowid}")

    def _note(self, code: str, entry: Entry, text: str) -> None:
        self.notes.append(Note(code, entry.table, text, entry.sql))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or none of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _without_virtual(connection: sqlite3.Connection, table: SourceTable) -> SourceTable:
    found = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 2", [table.name])
    virtual = {name for (name,) in found}
    return replace(table, columns=tuple(column for column in table.columns if column.name not in virtual))


def _declare(connection: sqlite3.Connection, name: str, sql: str) -> None:
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", [sql, name])


def _bare(table: SourceTable, *, typed: bool = False) -> str:
    """Return a declaration that stores rows as the table's own does, and checks and converts nothing."""
    parts = []
    for column in table.columns:
        alias = " PRIMARY KEY" if typed and column.name == table.rowid_alias else ""
        parts.append(quoted(column.name) + (f" {column.declared}{alias}" if typed else ""))
    if not table.without_rowid:
        return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})"
    key = next(index for index in table.indexes if index.origin == "pk")
    keys = ", ".join(
        f"{quoted(column or '')} COLLATE {quoted(collation)}" + (" DESC" if descending else "")
        for column, collation, descending in zip(key.columns, key.collations, key.descending, strict=True)
    )
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)}, PRIMARY KEY ({keys})) WITHOUT ROWID"
