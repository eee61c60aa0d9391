"""Reads the catalog of a SQLite snapshot."""

from __future__ import annotations

import gc
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from howdah.catalog.model import (
    SourceCatalog,
    SourceColumn,
    SourceForeignKey,
    SourceIndex,
    SourceObject,
    SourceTable,
    SourceView,
    SourceVirtual,
)
from howdah.discover import quoted
from howdah.errors import SourceError
from howdah.kept import Kept
from howdah.native.snapshot import Snapshot, give_back
from howdah.shared import Shared

# PRAGMA table_xinfo marks generated columns with 2 (virtual) and 3 (stored); 1 hides a virtual table's
# column.
_GENERATED = (2, 3)

# Tables after which freed memory is returned.
_TRIMMED = 500

# The parser of SQL loads only where a schema is read: see the functions that import it.


def open_snapshot(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    """Open a snapshot for reading; see :class:`howdah.kept.Kept`.

    Text that is no UTF-8 is kept with surrogate escapes: nothing is lost, and casts can tell it from good
    text.
    """
    return _kept.opened(path)


def open_compiled(path: Path) -> AbstractContextManager[Snapshot]:
    """Open a snapshot for compiled code to read, in the same way."""
    return _kept_compiled.opened(path)


def let_go() -> None:
    """Close the snapshots that this thread had open last, and return the memory that they and others had."""
    _kept.let_go()
    _kept_compiled.let_go()
    # Few objects refer to each other in circles, but those may hold what was read of a table.
    gc.collect()
    give_back()


def give_back_at(tables: int) -> None:
    """Return freed memory to the system now and then: of each table, a little stays that nobody uses.

    :param tables: how many are done.
    """
    if tables % _TRIMMED == 0:
        give_back()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(snapshot_uri(path), uri=True, check_same_thread=False)
    connection.text_factory = _text
    connection.isolation_level = None
    return connection


_kept = Kept(_connect)
_kept_compiled = Kept(lambda path: Snapshot(snapshot_uri(path)))


def snapshot_uri(path: Path) -> str:
    """Return what SQLite opens a snapshot by, for reading."""
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def read(path: Path) -> SourceCatalog:
    """Return everything that is declared in a snapshot.

    :raises SourceError: when SQLite cannot parse the schema.
    """
    with open_snapshot(path) as connection:
        try:
            return _read(connection)
        except sqlite3.DatabaseError as error:
            raise SourceError(f"The schema of {path} cannot be read: {error}.", "Try: sqlite3 FILE .schema") from error


def _read(connection: sqlite3.Connection) -> SourceCatalog:
    from howdah.catalog import virtual

    master = connection.execute(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY rowid"
    ).fetchall()
    sql_of = {(kind, name): text for kind, name, _, text in master}
    kinds = {
        str(row[1]): (str(row[2]), bool(row[4]), bool(row[5]))
        for row in connection.execute("PRAGMA table_list")
        if row[0] == "main"
    }
    sequences = _sequences(connection, sql_of)
    shared = Shared()
    tables: list[SourceTable] = []
    objects: list[SourceObject] = []
    virtuals: list[SourceVirtual] = []
    shadows = tuple(name for name, (kind, *_) in kinds.items() if kind == "shadow")
    for kind, name, table, text in master:
        if name.startswith("sqlite_"):
            continue
        if kind == "table" and kinds[name][0] == "table":
            tables.append(_table(connection, name, text, *kinds[name][1:], sequences.get(name), sql_of, shared))
        elif kind == "table" and kinds[name][0] == "virtual":
            described, rows = virtual.read(connection, name, text, shadows)
            virtuals.append(described)
            if rows is not None:
                tables.append(rows)
            else:
                objects.append(SourceObject("virtual table", name, name, text))
        elif kind in ("view", "trigger"):
            objects.append(SourceObject(kind, name, table, text))
        # Shadow tables hold the index of a virtual table, which is described; indexes are read with their table.
    return SourceCatalog(
        tables=_with_parent_keys(tables),
        objects=tuple(objects),
        user_version=int(connection.execute("PRAGMA user_version").fetchone()[0]),
        application_id=int(connection.execute("PRAGMA application_id").fetchone()[0]),
        views=tuple(_view(connection, item) for item in objects if item.kind == "view"),
        virtuals=tuple(virtuals),
    )


def _view(connection: sqlite3.Connection, view: SourceObject) -> SourceView:
    """Read the columns of a view; one that reads a table that is gone is found out by asking it for a row."""
    try:
        info = connection.execute(f"PRAGMA table_xinfo({quoted(view.name)})").fetchall()
        connection.execute(f"SELECT * FROM {quoted(view.name)} LIMIT 0")
    except sqlite3.OperationalError as error:
        return SourceView(view.name, (), view.sql, str(error))
    return SourceView(view.name, tuple(str(row[1]) for row in info), view.sql)


def _sequences(connection: sqlite3.Connection, sql_of: dict[tuple[str, str], str]) -> dict[str, int]:
    if ("table", "sqlite_sequence") not in sql_of:
        return {}
    rows = connection.execute("SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer'")
    return {str(name): int(value) for name, value in rows}


def _table(
    connection: sqlite3.Connection,
    name: str,
    text: str,
    without_rowid: bool,
    strict: bool,
    sequence: int | None,
    sql_of: dict[tuple[str, str], str],
    shared: Shared,
) -> SourceTable:
    from howdah.catalog import statements

    info = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    try:
        said, readable = statements.table(text, len(info)), True
    except statements.UnreadableError:
        said, readable = statements.Table(), False
    columns = tuple(
        SourceColumn(
            name=row[1],
            declared=row[2] or "",
            not_null=bool(row[3]),
            default=row[4],
            key_position=row[5],
            generated=row[6] in _GENERATED,
            expression=said.expressions.get(position, "") if row[6] in _GENERATED else "",
            collation=said.collations.get(position, "BINARY"),
        )
        for position, row in enumerate(info)
    )
    key = tuple(c.name for c in sorted(columns, key=lambda c: c.key_position) if c.key_position)
    indexes = _indexes(connection, name, sql_of)
    taken = {column.name.lower() for column in columns}
    rowid = next((alias for alias in ("rowid", "_rowid_", "oid") if alias not in taken), "")
    return SourceTable(
        name=name,
        columns=shared(tuple(map(shared, columns))),
        primary_key=shared(key),
        rowid="" if without_rowid else rowid,
        rowid_alias=_rowid_alias(columns, key, indexes, without_rowid),
        without_rowid=without_rowid,
        autoincrement="AUTOINCREMENT" in text.upper() and "AUTOINCREMENT" in statements.words(text),
        sequence=sequence,
        indexes=indexes,
        foreign_keys=_foreign_keys(connection, name, said.deferred),
        checks=said.checks,
        sql=text,
        strict=strict,
        readable=readable,
    )


def _rowid_alias(
    columns: tuple[SourceColumn, ...],
    key: tuple[str, ...],
    indexes: tuple[SourceIndex, ...],
    without_rowid: bool,
) -> str:
    # "INTEGER PRIMARY KEY" aliases the rowid, "INTEGER PRIMARY KEY DESC" (and INT) do not: those have an
    # index.
    if without_rowid or len(key) != 1 or any(index.origin == "pk" for index in indexes):
        return ""
    column = next(column for column in columns if column.key_position)
    return column.name if column.declared.upper() == "INTEGER" else ""


def _indexes(connection: sqlite3.Connection, table: str, sql_of: dict[tuple[str, str], str]) -> tuple[SourceIndex, ...]:
    from howdah.catalog import statements

    found = []
    for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        parts = [row for row in connection.execute(f"PRAGMA index_xinfo({quoted(name)})") if row[5]]
        text = sql_of.get(("index", name), "")
        try:
            texts, predicate = statements.index(text) if text else ((), "")
        except statements.UnreadableError:
            texts, predicate = (), ""
        found.append(
            SourceIndex(
                name=name,
                unique=bool(unique),
                origin=origin,
                partial=bool(partial),
                columns=tuple(None if part[1] == -2 else part[2] for part in parts),
                collations=tuple(str(part[4]).upper() for part in parts),
                descending=tuple(bool(part[3]) for part in parts),
                sql=text,
                parts=texts if len(texts) == len(parts) else (),
                predicate=predicate if partial else "",
            )
        )
    return tuple(reversed(found))


def _foreign_keys(
    connection: sqlite3.Connection, table: str, deferred: tuple[bool, ...]
) -> tuple[SourceForeignKey, ...]:
    # One row per column, grouped by id: a composite key is one constraint, not several.
    grouped: dict[int, list[tuple[Any, ...]]] = {}
    for row in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})"):
        grouped.setdefault(row[0], []).append(row)
    keys = []
    if len(deferred) != len(grouped):
        deferred = (False,) * len(grouped)
    # SQLite numbers the last one 0.
    for (_, rows), late in zip(sorted(grouped.items(), reverse=True), deferred, strict=True):
        rows.sort(key=lambda row: row[1])
        parents = tuple(row[4] for row in rows if row[4] is not None)
        keys.append(
            SourceForeignKey(
                columns=tuple(row[3] for row in rows),
                parent=rows[0][2],
                parent_columns=parents,
                on_update=rows[0][5],
                on_delete=rows[0][6],
                deferred=late,
            )
        )
    return tuple(keys)


def _with_parent_keys(tables: list[SourceTable]) -> tuple[SourceTable, ...]:
    """Fill in what ``REFERENCES parent`` leaves out: the parent's primary key."""
    by_name = {table.name.lower(): table for table in tables}
    return tuple(
        replace(
            table,
            foreign_keys=tuple(
                (
                    key
                    if key.parent_columns or key.parent.lower() not in by_name
                    else replace(key, parent_columns=by_name[key.parent.lower()].primary_key)
                )
                for key in table.foreign_keys
            ),
        )
        for table in tables
    )
