"""Digests of source rows: by them a later run tells which rows changed.

A row's digest is 64 bits of XXH3 over its values and storage classes. It is made once for each row of a source, and a
changed row is missed once in 2⁶⁴ times; what it decides is checked again by ``howdah verify``, which knows no digests.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from howdah.catalog.model import SourceTable
from howdah.reading import Row, row_bytes
from howdah.vector.arrays import nulls, raw
from howdah.vector.pieces import Pieces
from howdah.vector.reading import Unit

Digests = NDArray[np.uint64]


class Content:
    """The digest of a whole table, in whatever portions its rows come.

    :ivar lanes: the lane of each column, which the rows' digests hang on.
    """

    def __init__(self, table: SourceTable, lanes: tuple[str, ...]) -> None:
        self.lanes = lanes
        names = [(column.name, column.declared) for column in table.columns]
        self._digest = sha256(ascii((names, lanes)).encode())

    def add(self, locators: NDArray[np.int64], digests: Digests) -> None:
        """Take in the next rows."""
        self._digest.update(np.column_stack([locators.view(np.uint64), digests]).data)

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        return self._digest.hexdigest()


def of_chunk(locators: NDArray[np.int64], digests: Digests) -> bytes:
    """Return the digest of a chunk from those of its rows."""
    digest = sha256(np.ascontiguousarray(locators).data)
    digest.update(digests.data)
    return digest.digest()


def of_row(row: Row) -> int:
    """Return the digest of a row that is read by itself."""
    return xxh3_64_intdigest(row_bytes(row), seed=1)


def of_rows(unit: Unit) -> Digests:
    """Return the digest of each row of a unit; those of odd rows mean nothing."""
    pieces = Pieces(len(unit))
    for column in unit.columns:
        if str(column.type) in ("int64", "double"):
            pieces.fixed(_plain(column), nulls(column))
        else:
            # What is NULL in one column would be NULL as a whole row.
            pieces.varied(column.cast("binary").fill_null(b""), nulls(column))
    data, offsets = raw(pieces.joined(np.ones(len(unit), np.bool_)))
    whole, ends = data.data, offsets.tolist()
    digest = xxh3_64_intdigest
    found = (digest(whole[start:end]) for start, end in pairwise(ends))
    return np.fromiter(found, np.uint64, len(unit))


def _plain(column: Any) -> NDArray[np.uint8]:
    filled = column.fill_null(0) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).view(np.uint8).reshape(-1, 8)
