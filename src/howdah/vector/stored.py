"""Digests of a table's rows as they lie in the pages of a snapshot: SQLite takes some times longer to hand rows out.

Only what is usual is read so, and SQLite reads the rest. The digests are the same.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah import header
from howdah.catalog.affinity import affinity
from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_snapshot
from howdah.native.tree import StoredRows, UnknownError
from howdah.vector.batches import UNIT_ROWS, batches
from howdah.vector.digests import Digests

Rows = tuple[NDArray[np.int64], Digests]

_PLAIN, _REAL, _ROWID = range(3)


def digested(path: Path, table: SourceTable) -> Generator[Rows]:
    """Yield locators and digests of a table's rows, some at a time, in their order.

    :raises SourceError: the snapshot cannot be read.
    """
    done = 0
    try:
        for locators, digests in as_stored(path, table):
            done += len(locators)
            yield locators, digests
    except UnknownError:
        for batch in batches(path, table):
            known = min(done, len(batch))
            done -= known
            if known < len(batch):
                yield np.frombuffer(batch.locators, np.int64)[known:], np.frombuffer(batch.digests, np.uint64)[known:]


def as_stored(path: Path, table: SourceTable) -> Generator[Rows]:
    """Yield the same, without SQLite.

    :raises UnknownError: the table, or what comes next of it, is not of the usual kind; what was given is right.
    """
    columns, root = _columns(table), _root(path, table)
    fields = header.parse(header.read(path))
    if fields.encoding != "UTF-8":
        raise UnknownError
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pages = os.fstat(file).st_size // fields.page_size
        usable = fields.page_size - fields.reserved
        rows = StoredRows(file, root, columns, page_size=fields.page_size, usable=usable, pages=pages)
        while (found := rows.read(UNIT_ROWS))[0]:
            yield np.frombuffer(found[0], np.int64), np.frombuffer(found[1], np.uint64)
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
        row = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", [table.name]
        ).fetchone()
    if row is None or not row[0]:
        raise UnknownError
    return int(row[0])
