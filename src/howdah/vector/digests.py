"""Digests of source rows: by them a later run tells which rows changed.

A row's digest is 64 bits of XXH3 over its values and storage classes. It is made once for each row of a source, and a
changed row is missed once in 2⁶⁴ times; what it decides is checked again by ``howdah verify``, which knows no digests.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from howdah.catalog.model import SourceTable
from howdah.reading import Row, row_bytes
from howdah.vector.arrays import nulls, raw, without_nulls
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
    texts = []
    # First what has the same width in all rows: which values are NULL, numbers, lengths; then the bytes of the rest.
    for column in unit.columns:
        pieces.matrix(nulls(column).view(np.uint8).reshape(-1, 1))
        if str(column.type) in ("int64", "double"):
            pieces.matrix(_plain(column))
            continue
        text = without_nulls(column)
        pieces.matrix(np.diff(raw(text)[1]).view(np.uint8).reshape(-1, 4))
        texts.append(text)
    for text in texts:
        pieces.array(text)
    whole = pieces.joined(np.ones(len(unit), np.bool_)).to_numpy(zero_copy_only=False)
    return np.fromiter(map(xxh3_64_intdigest, whole), np.uint64, len(unit))


def _plain(column: Any) -> NDArray[np.uint8]:
    filled = column.fill_null(0) if column.null_count else column
    return np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).view(np.uint8).reshape(-1, 8)
