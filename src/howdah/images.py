"""What the ledger keeps of each row of a chunk: where it is, its digest, and which part of the chunk's keys is its own.

Kept as an Arrow stream, so that a run after this one tells without its old values which rows changed, and finds their
keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from howdah.vector.digests import Digests

# Threads take longer to start than three columns to compress.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True)
class Images:
    """Rows of a chunk, by their locators, ascending.

    :ivar sizes: bytes of each row's key; 0 where the row is not ours: it is in quarantine.
    """

    locators: NDArray[np.int64]
    digests: Digests
    sizes: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.locators)

    def to_bytes(self) -> bytes:
        """Return them as the ledger keeps them."""
        # Steps compress to nothing, as most locators follow each other.
        steps = self.locators.copy()
        steps[1:] -= self.locators[:-1]
        batch = pa.record_batch([steps, self.digests, self.sizes], names=["step", "digest", "size"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema, options=_OPTIONS) as stream:
            stream.write_batch(batch)
        kept: bytes = sink.getvalue().to_pybytes()
        return kept

    @classmethod
    def from_bytes(cls, kept: bytes) -> Images:
        """Return what :meth:`to_bytes` made."""
        with pa.ipc.open_stream(kept) as stream:
            steps, digests, sizes = (column.to_numpy() for column in stream.read_next_batch().columns)
        return cls(np.cumsum(steps), digests, sizes)

    def keys(self, keys: bytes) -> pa.BinaryArray:
        """Return the key of each row; empty where the row is not ours.

        :param keys: of the chunk, as the ledger keeps them.
        """
        return binary(keys, self.sizes)


def raw(array: pa.BinaryArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bytes of all values, one after another, and where each starts (and the last ends)."""
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    if data is None or not len(starts):
        return np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int32)
    first, last = int(starts[0]), int(starts[-1])
    return np.frombuffer(data, np.uint8, last - first, first), starts - first


def binary(values: bytes | memoryview, sizes: NDArray[np.int32]) -> pa.BinaryArray:
    """Return bytes cut into values of the given sizes."""
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.BinaryArray.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(values)])


@dataclass
class Keys:
    """The keys of a chunk's rows, while they come in any order."""

    locators: NDArray[np.int64]
    values: pa.BinaryArray

    @classmethod
    def none(cls) -> Keys:
        """Return no keys."""
        return cls(np.zeros(0, np.int64), pa.array([], pa.binary()))

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Keys:
        """Return the keys of chunks that follow each other."""
        if not parts:
            return cls.none()
        return cls(np.concatenate([p.locators for p in parts]), pa.concat_arrays([p.values for p in parts]))

    def add(self, locators: NDArray[np.int64], keys: bytes | memoryview, sizes: NDArray[np.int32]) -> None:
        """Take in more rows."""
        self.locators = np.concatenate([self.locators, locators])
        self.values = pa.concat_arrays([self.values, binary(keys, sizes)])

    def sorted(self) -> Keys:
        """Return them by locator."""
        if (self.locators[1:] > self.locators[:-1]).all():
            return self
        order = np.argsort(self.locators)
        return Keys(self.locators[order], self.values.take(pa.array(order)))

    def to_bytes(self) -> bytes:
        """Return them one after another."""
        return raw(self.values)[0].tobytes()

    def within(self, others: Keys) -> bool:
        """Return whether each of these keys is one of some others."""
        if self.values.equals(others.values):
            return True
        import pyarrow.compute as pc

        return bool(pc.all(pc.is_in(self.values, value_set=others.values)).as_py() is not False)

    def images(self, locators: NDArray[np.int64], digests: Digests) -> Images:
        """Return what is kept of all rows of the chunk; these are those of them that are ours, by locator."""
        sizes = np.zeros(len(locators), np.int32)
        sizes[np.searchsorted(locators, self.locators)] = np.diff(raw(self.values)[1])
        return Images(locators, digests, sizes)
