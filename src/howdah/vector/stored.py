"""Digests of a table's rows as they lie in the pages of a snapshot; where SQLite reads them, they are the same."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable
from howdah.native.tree import UnknownError
from howdah.pages import stored_rows
from howdah.vector.batches import UNIT_ROWS, batches
from howdah.vector.digests import Digests

Rows = tuple[NDArray[np.int64], Digests]


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
    with stored_rows(path, table) as rows:
        while (found := rows.read(UNIT_ROWS))[0]:
            yield np.frombuffer(found[0], np.int64), np.frombuffer(found[1], np.uint64)
