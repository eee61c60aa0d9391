"""Virtual tables: the rows of full-text and R-tree tables are data and move; the rest is described."""

from __future__ import annotations

import sqlite3

from howdah.catalog import statements
from howdah.catalog.model import SourceColumn, SourceTable, SourceVirtual
from howdah.discover import quoted

FULL_TEXT = ("fts3", "fts4", "fts5")
TREES = ("rtree", "rtree_i32")
# PRAGMA table_xinfo marks hidden columns of a virtual table with 1.
_HIDDEN = 1


def read(
    connection: sqlite3.Connection, name: str, sql: str, shadows: tuple[str, ...]
) -> tuple[SourceVirtual, SourceTable | None]:
    """Return what a virtual table is and, where its rows are its own and can be read, the table that they make.

    :param shadows: names of all shadow tables of the file.
    """
    try:
        module, arguments = statements.module(sql)
        info = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
        connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 1").fetchall()
    except (statements.UnreadableError, sqlite3.OperationalError) as error:
        return SourceVirtual(name, "", sql, problem=str(error)), None
    options = dict(_option(argument) for argument in arguments if "=" in argument)
    unindexed = {_bare(words[0]) for words in map(str.split, arguments) if words[-1].upper() == "UNINDEXED"}
    unindexed |= {value.lower() for key, value in options.items() if key == "notindexed"}
    shown = [row for row in info if row[6] != _HIDDEN]
    virtual = SourceVirtual(
        name=name,
        module=module,
        sql=sql,
        content=options.get("content"),
        searched=tuple(str(row[1]) for row in shown if str(row[1]).lower() not in unindexed),
        stems=any("porter" in argument.lower() for argument in arguments),
        shadows=tuple(shadow for shadow in shadows if shadow.startswith(f"{name}_")),
    )
    taken = {str(row[1]).lower() for row in shown}
    if module in FULL_TEXT and virtual.content is None and "rowid" not in taken:
        # The language of a row, where FTS4 keeps one; its own name and docid are hidden too and no data.
        language = [row for row in info if str(row[1]).lower() == options.get("languageid", "").lower()]
        # Other tables refer to the rows by it.
        key = SourceColumn("rowid", "INTEGER", key_position=1)
        return virtual, _table(
            name, sql, (key, *(SourceColumn(str(row[1]), str(row[2])) for row in (*shown, *language)))
        )
    if module in TREES and "rowid" not in taken:
        key = SourceColumn(str(shown[0][1]), "INTEGER", key_position=1)
        return virtual, _table(name, sql, (key, *(SourceColumn(str(row[1]), str(row[2])) for row in shown[1:])))
    return virtual, None


def _table(name: str, sql: str, columns: tuple[SourceColumn, ...]) -> SourceTable:
    key = columns[0].name
    return SourceTable(name, columns, primary_key=(key,), rowid="rowid", rowid_alias=key, sql=sql, virtual=True)


def _option(argument: str) -> tuple[str, str]:
    key, _, value = argument.partition("=")
    return key.strip().lower(), _bare(value)


def _bare(text: str) -> str:
    return text.strip().strip("'\"`[]")
