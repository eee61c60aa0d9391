"""Arrow arrays of texts and bytes, seen as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def nulls(array: Any) -> NDArray[np.bool_]:
    """Return which rows are NULL."""
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    found: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
    return found


def raw(array: Any) -> tuple[Bytes, NDArray[np.int32]]:
    """Return the bytes of all values, one after another, and where each starts (and the last ends)."""
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    if data is None or not len(starts):
        return np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int32)
    first, last = int(starts[0]), int(starts[-1])
    return np.frombuffer(data, np.uint8, last - first, first), starts - first


def lengths(array: Any) -> NDArray[np.int32]:
    """Return the bytes of each value; −1 for NULL."""
    _, offsets = raw(array)
    found = np.diff(offsets)
    if array.null_count:
        found[nulls(array)] = -1
    return found


def matrix(array: Any, rows: NDArray[np.intp], width: int) -> Bytes:
    """Return the bytes of some rows, which all have the same length, as an array of shape (rows, width)."""
    data, offsets = raw(array)
    if len(rows) == len(array):
        return data.reshape(len(rows), width)
    found: Bytes = data[offsets[rows][:, None] + np.arange(width, dtype=np.int32)]
    return found


def pick(array: Any, rows: NDArray[np.intp]) -> Any:
    """Return some rows of an array, copied only where they are not all of them."""
    return array if len(rows) == len(array) else array.take(pa.array(rows))


def from_matrix(values: Bytes) -> Any:
    """Return a binary array whose values are the rows of a matrix."""
    rows, width = values.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(values)
    return pa.BinaryArray.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def from_fixed(values: Bytes, null: NDArray[np.bool_]) -> Any:
    """Return a binary array whose values are the rows of a matrix, or NULL."""
    whole = from_matrix(values)
    valid = pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.BinaryArray.from_buffers(pa.binary(), len(null), [valid, *whole.buffers()[1:]])


def without_nulls(array: Any) -> Any:
    """Return texts or bytes as a binary array with nothing where there was NULL; copied only where NULL has bytes."""
    if array.null_count and _hidden(array).any():
        array = array.fill_null("" if pa.types.is_string(array.type) else b"")
    _, offsets, data = array.buffers()
    return pa.BinaryArray.from_buffers(pa.binary(), len(array), [None, offsets, data], 0, array.offset)


def _hidden(array: Any) -> NDArray[np.int32]:
    """Return the bytes that lie, meaning nothing, where there is NULL."""
    found: NDArray[np.int32] = np.diff(raw(array)[1])[nulls(array)]
    return found


def sound(array: Any) -> NDArray[np.bool_]:
    """Return which texts are UTF-8 without a NUL character."""
    data, offsets = raw(array)
    sound = np.ones(len(array), np.bool_)
    if not len(data):
        return sound
    if not data.min():
        sound[np.searchsorted(offsets, np.flatnonzero(data == 0), "right") - 1] = False
    if data.max() > 127:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            texts = data.tobytes()
            for row in range(len(array)):
                try:
                    texts[offsets[row] : offsets[row + 1]].decode()
                except UnicodeDecodeError:
                    sound[row] = False
    return sound
