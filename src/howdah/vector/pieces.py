"""Puts parts of rows side by side, for all rows of a unit at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.vector.arrays import Bytes, from_fixed, from_matrix, raw

Mask = NDArray[np.bool_]


class Pieces:
    """Puts the parts of every row side by side and joins them at the end.

    A value has its length in front, four bytes, as in a COPY stream; that of NULL is −1.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._run: list[Bytes] = []
        self._arrays: list[Any] = []

    def constant(self, value: bytes) -> None:
        """Add the same bytes to every row."""
        self._run.append(np.broadcast_to(np.frombuffer(value, np.uint8), (self._rows, len(value))))

    def matrix(self, values: Bytes) -> None:
        """Add bytes of one length, a row each."""
        self._run.append(values)

    def fixed(self, values: Bytes, null: Mask) -> None:
        """Add values of one length."""
        width = values.shape[1]
        if not null.any():
            self.constant(width.to_bytes(4, "big"))
            self.matrix(values)
            return
        self.matrix(np.where(null, -1, width).astype(">i4").view(np.uint8).reshape(-1, 4))
        self._flush()
        self._arrays.append(from_fixed(values, null))

    def varied(self, values: Any, null: Mask) -> None:
        """Add values of any length; where there is NULL, they are empty."""
        _, offsets = raw(values)
        sizes = np.diff(offsets)
        self.matrix(np.where(null, -1, sizes).astype(">i4").view(np.uint8).reshape(-1, 4))
        self.array(values)

    def array(self, values: Any) -> None:
        """Add the values of a binary array as they are, without their lengths."""
        self._flush()
        self._arrays.append(values)

    def _flush(self) -> None:
        if self._run:
            self._arrays.append(from_matrix(np.concatenate(self._run, axis=1)))
            self._run = []

    def joined(self, kept: Mask) -> Any:
        """Return the rows that are kept as one binary array."""
        self._flush()
        arrays = self._arrays
        if not kept.all():
            mask = pa.array(kept)
            arrays = [array.filter(mask) for array in arrays]
        if len(arrays) == 1:
            return arrays[0]
        # A NULL of fixed width is no bytes at all.
        nothing = pa.scalar(b"", pa.binary())
        return pc.binary_join_element_wise(*arrays, nothing, null_handling="replace", null_replacement="")
