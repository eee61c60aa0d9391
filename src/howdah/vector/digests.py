"""Digests of source rows: by them a later run tells which rows changed.

A row's digest is 64 bits of XXH3 over its values and storage classes (``native/source.h``). It is made once for each
row of a source, and a changed row is missed once in 2⁶⁴ times; what it decides is checked again by ``howdah verify``,
which knows no digests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from howdah.catalog.model import SourceTable

Digests = NDArray[np.uint64]


class Content:
    """The digest of a whole table, in whatever portions its rows come."""

    def __init__(self, table: SourceTable) -> None:
        names = [(column.name, column.declared) for column in table.columns]
        self._digest = blake3(ascii(names).encode())

    def add(self, locators: NDArray[np.int64], digests: Digests) -> None:
        """Take in the next rows."""
        self._digest.update(_raw(np.column_stack([locators.view(np.uint64), digests])))

    def hexdigest(self) -> str:
        """Return the digest of all rows so far."""
        return self._digest.hexdigest()


def of_chunk(locators: NDArray[np.int64], digests: Digests) -> bytes:
    """Return the digest of a chunk from those of its rows."""
    digest = blake3(_raw(locators))
    digest.update(_raw(digests))
    return digest.digest()


def _raw(values: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
