"""Rows cast as a plan says, as a binary COPY stream."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from howdah.native.rows import Batch, image
from howdah.plan import TablePlan
from howdah.reading import Row
from howdah.rowcast import RowCast
from howdah.vector import binary
from howdah.vector.batches import batches
from howdah.vector.fields import fields, oids


@dataclass(frozen=True)
class Reject:
    """A row that does not fit: where it is and why."""

    locator: int
    column: str
    code: str
    reason: str


class Encoder:
    """Casts the rows of one table.

    :ivar imaged: the keys of all rows so far are their images (:func:`howdah.conditions.image_digest`).

    :param staged: put locator and chunk number in front of each row, as the staging table has them.
    :param imaged: make images, of a table without a key, where that is possible.
    """

    def __init__(self, plan: TablePlan, *, staged: bool, imaged: bool = False) -> None:
        self._plan = plan
        self._staged = staged
        self._oids = oids(plan) if imaged and not staged else None
        self.imaged = self._oids is not None
        self._cast = RowCast(plan)
        self._count = (len(plan.columns) + (2 if staged else 0)).to_bytes(2, "big")
        targets = [c.target for c in plan.columns]
        self._key = [targets.index(name) for name in plan.key]
        self._key_count = len(self._key).to_bytes(2, "big")
        self._binary = [binary.encoder(c.type) for c in plan.columns]

    @property
    def mapped(self) -> int:
        """Return how many values became other identifiers."""
        return self._cast.mapped

    def batches(self, path: Path, only: NDArray[np.int64] | None = None) -> Generator[Batch]:
        """Yield all rows; those that are settled are in the streams, the others wait for :meth:`one`.

        :param only: rowids to read, ascending; ``None``: all.
        :raises SourceError: the snapshot cannot be read.
        """
        made = fields(self._plan, self._cast)
        for batch in batches(path, self._plan.table, made, self._key, staged=self._staged, oids=self._oids, only=only):
            self.imaged = self.imaged and batch.imaged
            yield batch

    def one(self, locator: int, chunk: int, row: Row) -> tuple[bytes, bytes]:
        """Return one row, cast value by value, and its key.

        :raises howdah.rowcast.RowError: it does not fit.
        """
        texts = self._cast(row)
        values = [None if text is None else encode(text) for text, encode in zip(texts, self._binary, strict=True)]
        head = [locator.to_bytes(8, "big", signed=True), chunk.to_bytes(4, "big")] if self._staged else []
        made = self._count + b"".join(map(binary.field, [*head, *values]))
        if self._oids:
            return made, self._image(made, self._oids)
        return made, self._key_count + b"".join(
            binary.field(values[place]) for place in self._key
        ) if self._key else b""

    def _image(self, row: bytes, types: tuple[int, ...]) -> bytes:
        found = image(row, types)
        self.imaged = self.imaged and found is not None
        return b"\x00\x01" + binary.field((found or 0).to_bytes(8, "big"))
