"""Casts of whole columns: from an Arrow array to PostgreSQL's binary form, with the rows that need a second look.

Each function takes an array of one batch and returns :class:`Cast`. A row is *open* when the function does not know
what becomes of it; the one-value casts then decide. So a function may give up on anything, but what it
does settle must be what those casts would have made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.casts.clocks import CLOCKS
from howdah.casts.temporal import MICROSECONDS
from howdah.catalog.model import TargetType
from howdah.vector import documents, moments
from howdah.vector.arrays import Bytes, lengths, matrix, nulls, sound

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cast:
    """What a column became.

    :ivar fixed: values of one length, shape (rows, width) of uint8; ``None`` when lengths differ.
    :ivar varied: values of different lengths as a binary array; ``None`` when all have one length.
    :ivar null: rows that are NULL.
    :ivar open: rows that the one-value casts must decide.
    """

    null: Mask
    open: Mask
    fixed: Bytes | None = None
    varied: Any = None


Column = Callable[[Any], Cast]


def for_lane(cast: str, kind: TargetType, lane: str, unit: str = "", strict: bool = False) -> Column | None:
    """Return the function for a cast to a type of values of one lane, or ``None`` where there is none.

    :param lane: storage class of the array's values: ``integer``, ``real``, ``number`` (either), ``text``, ``blob``.
    :param unit: the clock of numbers where the plan decided it, or empty.
    :param strict: numbers that the clock does not show today need a second look.
    """
    unit = cast if cast in MICROSECONDS else unit
    if lane == "text":
        return _for_text(cast, kind, unit)
    if lane == "integer":
        if cast == "integer":
            return lambda array: _integers(array, kind)
        if cast == "boolean":
            return _booleans
    if lane in ("real", "number"):
        if cast == "float":
            return lambda array: _floats(array, kind)
        if cast == "integer" and lane == "real":
            return lambda array: _whole(array, kind)
    if lane in ("integer", "real") and unit in MICROSECONDS and kind.name in ("timestamptz", "timestamp", "date"):
        return lambda array: _epochs(array, kind, unit, strict)
    if lane == "blob" and cast == "bytea":
        return lambda array: Cast(nulls(array), _none(array), varied=array)
    if lane == "blob" and cast == "uuid_blob":
        return _uuid_blobs
    return None


def _for_text(cast: str, kind: TargetType, unit: str) -> Column | None:
    if cast == "text" and kind.name != "bpchar":
        return lambda array: _texts(array, kind.length if kind.kind != "e" else None)
    if cast in ("uuid", "uuid5", "uuid_blob"):
        return _uuids
    if cast == "uuid5_kept":
        return _kept
    if cast == "json":
        return lambda array: _documents(array, kind.name == "jsonb")
    if kind.name in ("timestamptz", "timestamp", "date") and (unit or cast in ("moment", "text_utc")):
        return lambda array: _moments(array, kind, utc=cast == "text_utc" or bool(unit))
    return None


def _none(array: Any) -> Mask:
    return np.zeros(len(array), np.bool_)


def _integers(array: Any, kind: TargetType) -> Cast:
    values, null = _numbers(array, np.int64), nulls(array)
    width = int(kind.name[3:])
    bound = 1 << (8 * width - 1)
    beyond = (values < -bound) | (values >= bound) if width < 8 else _none(array)
    return Cast(null, beyond & ~null, fixed=_big(values.astype(f">i{width}")))


def _whole(array: Any, kind: TargetType) -> Cast:
    values, null = _numbers(array, np.float64), nulls(array)
    width = int(kind.name[3:])
    bound = float(1 << min(8 * width - 1, 53))
    with np.errstate(invalid="ignore"):
        settled = (np.floor(values) == values) & (np.abs(values) < bound) & ~((values == 0) & np.signbit(values))
        whole = np.where(settled, values, 0).astype(f">i{width}")
    return Cast(null, ~settled & ~null, fixed=_big(whole))


def _booleans(array: Any) -> Cast:
    values, null = _numbers(array, np.int64), nulls(array)
    odd = (values != 0) & (values != 1)
    return Cast(null, odd & ~null, fixed=_big(values.astype(np.uint8)))


def _floats(array: Any, kind: TargetType) -> Cast:
    values, null = _numbers(array, np.float64), nulls(array)
    if kind.name == "float8":
        return Cast(null, _none(array), fixed=_big(values.astype(">f8")))
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    lossy = (narrow.astype(np.float64) != values) | (np.isinf(narrow) & ~np.isinf(values))
    return Cast(null, lossy & ~null, fixed=_big(narrow.astype(">f4")))


def _epochs(array: Any, kind: TargetType, unit: str, strict: bool) -> Cast:
    null = nulls(array)
    values = _numbers(array, np.int64 if pa.types.is_integer(array.type) else np.float64)
    if values.dtype == np.int64:
        micros, settled = moments.from_integers(values, unit)
    else:
        micros, settled = moments.from_reals(values, unit)
    if strict:
        settled &= (values >= CLOCKS[unit].first) & (values < CLOCKS[unit].last)
    written, fits = moments.binary(micros, kind)
    return Cast(null, ~(settled & fits) & ~null, fixed=written)


def _moments(array: Any, kind: TargetType, utc: bool) -> Cast:
    null = nulls(array)
    micros, settled = moments.from_texts(array, zone_allowed=kind.name == "timestamptz" or utc)
    values, fits = moments.binary(micros, kind)
    return Cast(null, ~(settled & fits) & ~null, fixed=values)


def _texts(array: Any, limit: int | None) -> Cast:
    null = nulls(array)
    odd = ~sound(array) & ~null
    if limit is not None:
        odd |= pc.greater(pc.fill_null(pc.utf8_length(array), 0), limit).to_numpy(zero_copy_only=False)
    return Cast(null, odd, varied=array)


_HYPHENS = (8, 13, 18, 23)
_DIGITS = (slice(0, 8), slice(9, 13), slice(14, 18), slice(19, 23), slice(24, 36))


def _pairs() -> NDArray[np.uint16]:
    """Return what two hexadecimal digits, read as one little-endian number, stand for; 256 where they are none."""
    nibbles = np.full(256, 256, np.uint16)
    for digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
        nibbles[np.frombuffer(digits, np.uint8)] = range(16)
    found: NDArray[np.uint16] = np.minimum(nibbles[None, :] * 16 + nibbles[:, None], 256)
    return found.reshape(-1)


_PAIRS = _pairs()


def _uuids(array: Any) -> Cast:
    null = nulls(array)
    rows = np.flatnonzero(lengths(array) == 36)
    text = matrix(array, rows, 36)
    digits = np.concatenate([text[:, part] for part in _DIGITS], axis=1)
    found = np.take(_PAIRS, digits.view("<u2"))
    values = np.zeros((len(array), 16), np.uint8)
    values[rows] = found
    settled = np.zeros(len(array), np.bool_)
    settled[rows] = np.logical_and.reduce([text[:, at] == ord("-") for at in _HYPHENS])
    if (found > 255).any():
        settled[rows] &= found.max(axis=1) < 256
    return Cast(null, ~settled & ~null, fixed=values)


def _kept(array: Any) -> Cast:
    """Return NULL for what is a UUID in its usual spelling; anything else is for the one-value cast."""
    found = _uuids(array)
    return Cast(found.null | ~found.open, found.open, varied=array)


def _uuid_blobs(array: Any) -> Cast:
    null = nulls(array)
    rows = np.flatnonzero(lengths(array) == 16)
    values = np.zeros((len(array), 16), np.uint8)
    values[rows] = matrix(array, rows, 16)
    settled = np.zeros(len(array), np.bool_)
    settled[rows] = True
    return Cast(null, ~settled & ~null, fixed=values)


def _documents(array: Any, binary: bool) -> Cast:
    good = documents.settled(array, unique_keys=binary)
    return Cast(nulls(array), ~good, varied=documents.marked(array) if binary else array)


def _numbers(array: Any, kind: type[np.generic]) -> NDArray[Any]:
    """Return a number array's values; NULL reads as zero."""
    filled = pc.fill_null(array, 0) if array.null_count else array
    values: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(kind, copy=False)
    return values


def _big(values: NDArray[Any]) -> Bytes:
    """Return numbers as rows of their bytes; they are big-endian already."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)
