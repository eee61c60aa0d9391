"""Reads a table of a snapshot in batches, by compiled code: digested, and as a COPY stream where that is simple.

What is usual is read as it lies in the pages, and the rest by SQLite; what comes of it is the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable
from howdah.catalog.sqlite import open_compiled
from howdah.errors import SourceError
from howdah.native.rows import Batch, ReadError, Rows
from howdah.native.snapshot import OpenError
from howdah.native.tree import UnknownError
from howdah.pages import stored_rows
from howdah.reading import queries
from howdah.vector.fields import Field

UNIT_ROWS = 16_384
"""Most rows of a batch."""
UNIT_BYTES = 4 << 20
"""A batch takes no further row once its values have more bytes than this."""


def batches(
    path: Path,
    table: SourceTable,
    fields: Sequence[Field] | None = None,
    key: Sequence[int] = (),
    *,
    staged: bool = False,
    oids: Sequence[int] | None = None,
    only: NDArray[np.int64] | None = None,
) -> Generator[Batch]:
    """Yield the rows of a table in reading order (the order of :func:`howdah.reading.rows`).

    Batches are cut by what is in the source, whatever becomes of it. Their number is put in front of staged rows.

    :param fields: of the stream; ``None``: rows are only digested.
    :param key: places of the key's fields.
    :param staged: put locator and number of the batch in front of the fields.
    :param oids: of the fields' types, if images of the rows are wanted for keys.
    :param only: rowids to read, ascending; ``None``: all rows.
    :raises SourceError: the snapshot cannot be read.
    """
    number, last = 0, None
    make = partial(Rows, fields=fields, key=key, staged=staged, oids=oids)
    if only is None:
        with suppress(UnknownError), stored_rows(path, table) as stored, closing(make(stored)) as rows:
            while batch := rows.read(UNIT_ROWS, UNIT_BYTES, number):
                yield batch
                number, last = number + 1, int(np.frombuffer(batch.locators, np.int64)[-1])
            return
    try:
        with open_compiled(path) as source:
            for text, walked in queries(table, None if only is None else only.tolist(), last):
                with closing(make(source, text, located=bool(table.rowid), walked=walked)) as rows:
                    while batch := rows.read(UNIT_ROWS, UNIT_BYTES, number):
                        yield batch
                        number += 1
    except (OpenError, ReadError) as error:
        raise SourceError(
            f"Table {table.name} cannot be read: {error}.",
            "Check the file with: sqlite3 FILE 'PRAGMA integrity_check'",
        ) from error
