"""Units of rows, cast as a plan says, as a binary COPY stream."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah import casts
from howdah.casts import CastError
from howdah.plan import ColumnPlan, TablePlan
from howdah.rowcast import RowCast
from howdah.vector import binary, columns, reading
from howdah.vector.arrays import Bytes, nulls, raw, without_nulls
from howdah.vector.pieces import Pieces
from howdah.vector.reading import Unit

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reject:
    """A row that does not fit: where it is and why."""

    locator: int
    column: str
    code: str
    reason: str


@dataclass(frozen=True)
class Encoded:
    """Rows as PostgreSQL reads them.

    :ivar stream: rows of a binary COPY stream, without its header and trailer, as a buffer.
    :ivar locators: where those rows are in the source.
    :ivar keys: the same rows with their key columns only; empty without a key.
    :ivar key_sizes: bytes of each row in ``keys``.
    :ivar odd: locators of rows that must be cast one by one, as the unit does not hold their values.
    """

    stream: Any
    locators: tuple[int, ...]
    keys: bytes
    key_sizes: NDArray[np.int32]
    rejects: tuple[Reject, ...]
    odd: tuple[int, ...]


@dataclass
class _Faults:
    """The first column of each row that does not fit."""

    rows: Mask
    found: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def add(self, row: int, column: str, code: str, reason: str) -> None:
        self.rows[row] = True
        self.found[row] = (column, code, reason)


class Encoder:
    """Casts units of one table.

    :param lanes: lane of each of :attr:`sources`.
    :param staged: put locator and chunk number in front of each row, as the staging table has them.
    """

    def __init__(self, plan: TablePlan, lanes: Sequence[str], *, staged: bool) -> None:
        self.sources = sources(plan)
        self.lanes = tuple(lanes)
        self.pure = pure(plan, self.lanes)
        self._staged = staged
        self.rowcast = RowCast(plan)
        self._columns = [
            _Column(
                plan_, self.rowcast.casts[plan_.target], lanes[self.sources.index(plan_.source)] if plan_.source else ""
            )
            for plan_ in plan.columns
        ]
        self._places = [self.sources.index(c.source) if c.source else -1 for c in plan.columns]
        self._count = (len(plan.columns) + (2 if staged else 0)).to_bytes(2, "big")
        targets = [c.target for c in plan.columns]
        self._key = [targets.index(name) for name in plan.key]
        self._key_count = len(self._key).to_bytes(2, "big")
        self._binary = [binary.encoder(c.type) for c in plan.columns]

    @property
    def mapped(self) -> int:
        """Return how many values became other identifiers."""
        return self.rowcast.mapped

    def __call__(self, unit: Unit, chunk: int) -> Encoded:
        """Return the rows of a unit that fit, those that do not, and those that are not in it."""
        faults = _Faults(unit.odd.copy())
        pieces = Pieces(len(unit))
        pieces.constant(self._count)
        if self._staged:
            pieces.constant(b"\x00\x00\x00\x08")
            pieces.matrix(unit.locators.astype(">i8").view(np.uint8).reshape(-1, 8))
            pieces.constant(b"\x00\x00\x00\x04" + chunk.to_bytes(4, "big"))
        values = [
            column.stood_in(len(unit)) if place < 0 else column.encode(unit.columns[place], faults)
            for column, place in zip(self._columns, self._places, strict=True)
        ]
        for value in values:
            value.add_to(pieces)
        kept = ~faults.rows
        locators = unit.locators
        keys, sizes = self._keys([values[place] for place in self._key], kept)
        return Encoded(
            stream=raw(pieces.joined(kept))[0].data,
            locators=tuple(locators[kept].tolist()),
            keys=keys,
            key_sizes=sizes,
            rejects=tuple(Reject(int(locators[row]), *faults.found[row]) for row in sorted(faults.found)),
            odd=tuple(locators[unit.odd].tolist()),
        )

    def _keys(self, values: list[_Values], kept: Mask) -> tuple[bytes, NDArray[np.int32]]:
        if not values:
            return b"", np.zeros(int(kept.sum()), np.int32)
        pieces = Pieces(len(kept))
        pieces.constant(self._key_count)
        for value in values:
            value.add_to(pieces)
        data, offsets = raw(pieces.joined(kept))
        return data.tobytes(), np.diff(offsets)

    def one(self, locator: int, chunk: int, row: tuple[Any, ...]) -> tuple[bytes, bytes]:
        """Return one row, cast value by value, and its key.

        :raises howdah.rowcast.RowError: it does not fit.
        """
        texts = self.rowcast(row)
        fields = [None if text is None else encode(text) for text, encode in zip(texts, self._binary, strict=True)]
        head = [locator.to_bytes(8, "big", signed=True), chunk.to_bytes(4, "big")] if self._staged else []
        key = self._key_count + b"".join(binary.field(fields[place]) for place in self._key) if self._key else b""
        return self._count + b"".join(map(binary.field, [*head, *fields])), key


def lanes(connection: sqlite3.Connection, plan: TablePlan) -> tuple[str, ...]:
    """Return the lane of each column of :func:`sources`."""
    names, classes = sources(plan), _classes(plan)
    # Of a column that has values of one class only, no sample must be looked at.
    known = {name: next(iter(classes[name])) for name in names if len(classes.get(name, ())) == 1}
    unknown = [name for name in names if name not in known]
    known |= dict(zip(unknown, reading.lanes(connection, plan.table, unknown), strict=True))
    casts_of = {name: {c.cast for c in plan.columns if c.source == name} for name in names}
    return tuple(
        "number" if casts_of[name] == {"float"} and known[name] in ("integer", "real") else known[name]
        for name in names
    )


def pure(plan: TablePlan, kinds: Sequence[str]) -> frozenset[str]:
    """Return the columns of which the profile says that all values are of their lane's storage class."""
    classes = _classes(plan)
    return frozenset(
        name
        for name, lane in zip(sources(plan), kinds, strict=True)
        if name in classes and classes[name] <= {"real" if lane == "number" else lane}
    )


def _classes(plan: TablePlan) -> dict[str, frozenset[str]]:
    """Return the storage classes of the values of each column of which the profile knows them."""
    return {c.source: c.stored.classes for c in plan.columns if c.source and c.stored}


def sources(plan: TablePlan) -> tuple[str, ...]:
    """Return the columns to read: all of the source's, as a row's digest is of the whole row."""
    return tuple(column.name for column in plan.table.columns)


class _Column:
    """One target column: how its values are made, and what stands in for NULL."""

    def __init__(self, plan: ColumnPlan, cast: casts.Cast, lane: str) -> None:
        self._name = plan.source or plan.target
        self._cast = cast
        self._required = plan.required
        self._binary = binary.encoder(plan.type)
        self._jsonb = plan.type.name == "jsonb"
        self._width = 0 if plan.type.kind == "e" else binary.WIDTHS.get(plan.type.name, 0)
        unit, strict = plan.option("unit"), "strict" in dict(plan.options)
        self._whole = columns.for_lane(plan.cast, plan.type, lane, unit, strict) if lane else None
        value = plan.option("value")
        text = cast(value) if value else None
        self.stand_in = None if text is None else self._binary(text)

    def stood_in(self, rows: int) -> _Values:
        """Return the value that stands in, for every row."""
        if self.stand_in is None:
            return _Values(np.ones(rows, np.bool_), np.zeros((rows, 1), np.uint8))
        value = np.frombuffer(self.stand_in, np.uint8)
        return _Values(np.zeros(rows, np.bool_), np.broadcast_to(value, (rows, len(value))))

    def encode(self, array: Any, faults: _Faults) -> _Values:
        """Return a column's values; rows that do not fit are added to the faults."""
        found = self._whole(array) if self._whole else _undecided(array, self._width)
        null = found.null.copy()
        fixed = found.fixed.copy() if found.fixed is not None and found.open.any() else found.fixed
        decided: dict[int, bytes] = {}
        absent = nulls(array)
        if self.stand_in is not None and absent.any():
            decided.update(dict.fromkeys(np.flatnonzero(absent).tolist(), self.stand_in))
        for row in np.flatnonzero(found.open & ~faults.rows).tolist():
            try:
                text = self._cast(_value(array[row]))
            except CastError as error:
                faults.add(row, self._name, error.code, error.reason)
                null[row] = True
                continue
            null[row] = text is None
            if text is not None:
                decided[row] = self._binary(text)
        if decided:
            null[list(decided)] = False
        if self._required and null.any():
            for row in np.flatnonzero(null & ~faults.rows).tolist():
                faults.add(row, self._name, "not_null", "The value is NULL, and the column takes none.")
        if fixed is not None:
            if decided and fixed is found.fixed:
                fixed = fixed.copy()
            for row, value in decided.items():
                fixed[row] = np.frombuffer(value, np.uint8)
            return _Values(null, fixed)
        return _Values(null, varied=_patched(found.varied, decided, null))


@dataclass(frozen=True)
class _Values:
    """The values of one target column, of one length (``fixed``) or of any (``varied``)."""

    null: Mask
    fixed: Bytes | None = None
    varied: Any = None

    def add_to(self, pieces: Pieces) -> None:
        """Put the values, each with its length, behind the pieces."""
        if self.fixed is not None:
            pieces.fixed(self.fixed, self.null)
        else:
            pieces.varied(self.varied, self.null)


def _undecided(array: Any, width: int) -> columns.Cast:
    """Leave every value to the one-value cast."""
    null = nulls(array)
    if width:
        return columns.Cast(null, ~null, fixed=np.zeros((len(array), width), np.uint8))
    return columns.Cast(null, ~null, varied=pa.nulls(len(array), pa.binary()))


def _value(scalar: Any) -> Any:
    """Return a value as Python's sqlite3 reads it, with surrogate escapes for what is no UTF-8."""
    if pa.types.is_string(scalar.type):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    return scalar.as_py()


def _patched(array: Any, decided: dict[int, bytes], null: Mask) -> Any:
    """Return an array with some values replaced, and nothing where there is NULL."""
    values = without_nulls(array)
    if decided:
        mask = np.zeros(len(array), np.bool_)
        mask[list(decided)] = True
        values = pc.replace_with_mask(
            values, pa.array(mask), pa.array([decided[row] for row in sorted(decided)], pa.binary())
        )
    # What became NULL by its cast, and not because it was.
    if np.diff(raw(values)[1])[null].any():
        values = pc.if_else(pa.array(null), pa.scalar(b"", pa.binary()), values)
    return values
