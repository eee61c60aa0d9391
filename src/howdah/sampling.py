"""Which rows of a table are read: all of them, or a sample that the user asked for."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from howdah.catalog.model import SourceTable
from howdah.discover import quoted


@dataclass(frozen=True)
class Rows:
    """What stands behind FROM, and its parameters."""

    source: str
    parameters: tuple[Any, ...] = ()


def choose(connection: sqlite3.Connection, table: SourceTable, sample: int | None) -> Rows:
    """Return all rows of a table, or so many of them, the same ones every time.

    They are spread evenly over the rowids; of a table without rowids they are the first ones.
    """
    name = quoted(table.name)
    if sample is None or connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] <= sample:
        return Rows(name)
    if not table.rowid:
        return Rows(f"(SELECT * FROM {name} LIMIT {sample})")
    first, last = connection.execute(f"SELECT min({table.rowid}), max({table.rowid}) FROM {name}").fetchone()
    next_one = f"SELECT min({table.rowid}) FROM {name} WHERE {table.rowid} >= ?"
    places = [first + (last - first) * step // max(sample - 1, 1) for step in range(sample)]
    rowids = {connection.execute(next_one, [place]).fetchone()[0] for place in places}
    # The rowid of a subquery is none, so it comes along under a name that no column has.
    among = (
        f"(SELECT {table.rowid} AS {LOCATOR}, * FROM {name} WHERE {table.rowid} IN (SELECT value FROM json_each(?)))"
    )
    return Rows(among, (json.dumps(sorted(rowids)),))


LOCATOR = "_howdah_locator"


def locator(table: SourceTable, rows: Rows) -> str:
    """Return SQL of what finds a chosen row again: its rowid, or NULL."""
    if not table.rowid:
        return "NULL"
    return LOCATOR if rows.parameters else table.rowid
