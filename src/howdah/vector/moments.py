"""Moments in whole columns: ISO texts and epoch numbers to microseconds since 2000-01-01."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from howdah.casts.temporal import MICROSECONDS
from howdah.catalog.model import TargetType
from howdah.vector.arrays import Bytes, lengths, matrix, pick, raw

Micros = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DAY = 86_400_000_000
_TO_2000 = 10_957 * _DAY
# Years 1 to 9999, as the one-value casts have it, counted from 2000.
_FIRST = -62_135_596_800_000_000 - _TO_2000
_LAST = 253_402_300_799_999_999 - _TO_2000
_SHORTEST, _LONGEST = 10, 35
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def from_integers(values: Micros, unit: str) -> tuple[Micros, Mask]:
    """Return moments of epoch numbers, and which of them are within the calendar."""
    factor = MICROSECONDS[unit]
    bound = (1 << 62) // factor
    settled = (values > -bound) & (values < bound)
    micros = np.where(settled, values, 0) * factor - _TO_2000
    return micros, settled & _within(micros)


def from_reals(values: NDArray[np.float64], unit: str) -> tuple[Micros, Mask]:
    """Return moments of epoch numbers with a fraction, and which of them are whole microseconds.

    A double stands for the shortest decimal that reads back as it. Where doubles are closer together than
    microseconds, at most one decimal of whole microseconds reads back as a given double.
    """
    factor = MICROSECONDS[unit]
    with np.errstate(invalid="ignore", over="ignore"):
        settled = np.spacing(np.abs(values)) * factor < 0.5
        rounded = np.rint(np.where(settled, values, 0) * factor)
        settled &= (rounded / factor == values) & (np.abs(rounded) < 1 << 53)
    micros = np.where(settled, rounded, 0).astype(np.int64) - _TO_2000
    return micros, settled & _within(micros)


def from_texts(array: Any, zone_allowed: bool) -> tuple[Micros, Mask]:
    """Return moments of ISO texts (UTC where they name a zone), and which rows were understood."""
    micros = np.zeros(len(array), np.int64)
    settled = np.zeros(len(array), np.bool_)
    sizes = lengths(array)
    for size in np.unique(sizes):
        if _SHORTEST <= size <= _LONGEST:
            rows = np.flatnonzero(sizes == size)
            found = _usual(array, rows, int(size), zone_allowed)
            micros[rows], settled[rows] = found or _of_length(matrix(array, rows, int(size)), zone_allowed)
    return micros, settled


def binary(micros: Micros, kind: TargetType) -> tuple[Bytes, Mask]:
    """Return moments as PostgreSQL sends them, and which of them the type holds without loss."""
    if kind.name == "date":
        days = micros // _DAY
        return _bytes(days.astype(">i4")), days * _DAY == micros
    fits = np.ones(len(micros), np.bool_)
    if kind.precision is not None and kind.precision < 6:
        fits = micros % 10 ** (6 - kind.precision) == 0
    return _bytes(micros.astype(">i8")), fits


def _bytes(values: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)


def _within(micros: Micros) -> Mask:
    return (micros >= _FIRST) & (micros <= _LAST)


def _usual(array: Any, rows: NDArray[np.intp], size: int, zone_allowed: bool) -> tuple[Micros, Mask] | None:
    """Return moments that are all written alike, like ``2026-11-22 08:00:00.5Z``, as Arrow reads them."""
    data, offsets = raw(array)
    starts = offsets[rows]

    def written(at: int, *marks: str) -> bool:
        found = data[starts + np.int32(at)]
        return bool(np.logical_or.reduce([found == ord(mark) for mark in marks]).all())

    zone = size > 19 and written(size - 1, "Z")
    fraction = size - 19 - zone
    if size < 19 or fraction == 1 or fraction > 7 or (zone and not zone_allowed):
        return None
    marks = ((4, "-"), (7, "-"), (10, "T", " "), (13, ":"), (16, ":"), *(((19, "."),) if fraction else ()))
    if not all(written(at, *allowed) for at, *allowed in marks):
        return None
    try:
        found = pick(array, rows).cast(pa.timestamp("us", "UTC" if zone else None))
    except pa.ArrowInvalid:
        return None
    micros = found.view(pa.int64()).to_numpy(zero_copy_only=False) - _TO_2000
    return micros, _within(micros)


def _of_length(text: Bytes, zone_allowed: bool) -> tuple[Micros, Mask]:
    """Parse texts of one length, given as a matrix of their bytes."""
    size = text.shape[1]
    day, good = _days(text)
    if size == 10:
        return day * _DAY, good
    good &= ((text[:, 10] == ord("T")) | (text[:, 10] == ord(" "))) if size >= 16 else False
    if size < 19:
        if size != 16:
            return day, np.zeros(len(text), np.bool_)
        minutes, fine = _minutes(text, 11)
        return day * _DAY + minutes * 60_000_000, good & fine
    minutes, fine = _minutes(text, 11)
    seconds, sure = _number(text, 17, 2)
    good &= fine & sure & (seconds < 60) & (text[:, 16] == ord(":"))
    micros = day * _DAY + minutes * 60_000_000 + seconds * 1_000_000
    return _tails(text, micros, good, zone_allowed)


def _tails(text: Bytes, micros: Micros, good: Mask, zone_allowed: bool) -> tuple[Micros, Mask]:
    """Add what follows the seconds: a fraction, a zone, both or nothing."""
    size = text.shape[1]
    last = text[:, -1]
    utc = ((last == ord("Z")) | (last == ord("z"))) if size > 19 else np.zeros(len(text), np.bool_)
    offset = np.zeros(len(text), np.bool_)
    if size >= 25:
        sign = text[:, size - 6]
        offset = ((sign == ord("+")) | (sign == ord("-"))) & (text[:, size - 3] == ord(":"))
    settled = np.zeros(len(text), np.bool_)
    for rows, width in ((~utc & ~offset, 0), (utc, 1), (offset, 6)):
        if not rows.any() or (width and not zone_allowed):
            continue
        part = text if rows.all() else text[rows]
        fraction, fine = _fraction(part[:, 19 : size - width])
        shift: Any = 0
        if width == 6:
            ahead, sure = _minutes(part, size - 5, hours=16)
            shift = np.where(part[:, size - 6] == ord("-"), -ahead, ahead) * 60_000_000
            fine &= sure
        micros[rows] += fraction - shift
        settled[rows] = fine
    return micros, good & settled & _within(micros)


def _fraction(text: Bytes) -> tuple[Micros, Mask]:
    """Return microseconds of ``.123456``; longer fractions are left to the one-value cast."""
    rows, size = text.shape
    if size == 0:
        return np.zeros(rows, np.int64), np.ones(rows, np.bool_)
    if not 2 <= size <= 7:
        return np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    value, good = _number(text, 1, size - 1)
    return value * 10 ** (7 - size), good & (text[:, 0] == ord("."))


def _days(text: Bytes) -> tuple[Micros, Mask]:
    """Return days since 2000-01-01 of ``YYYY-MM-DD``."""
    year, one = _number(text, 0, 4)
    month, two = _number(text, 5, 2)
    day, three = _number(text, 8, 2)
    good = one & two & three & (text[:, 4] == ord("-")) & (text[:, 7] == ord("-"))
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= day <= _MONTH_DAYS[np.minimum(month, 12)] + (leap & (month == 2))
    months = ((year - 2000) * 12 + month - 1).astype("timedelta64[M]")
    first = (np.datetime64("2000-01") + months).astype("datetime64[D]") - np.datetime64("2000-01-01")
    return first.astype(np.int64) + day - 1, good


def _minutes(text: Bytes, at: int, hours: int = 24) -> tuple[Micros, Mask]:
    """Return minutes of ``HH:MM``."""
    hour, one = _number(text, at, 2)
    minute, two = _number(text, at + 3, 2)
    return hour * 60 + minute, one & two & (text[:, at + 2] == ord(":")) & (hour < hours) & (minute < 60)


def _number(text: Bytes, at: int, count: int) -> tuple[Micros, Mask]:
    """Return the number that some digits spell."""
    digits = text[:, at : at + count] - np.uint8(ord("0"))
    good: Mask = np.less(digits.max(axis=1), 10)
    value = np.zeros(len(text), np.int64)
    for column in range(count):
        value = value * 10 + digits[:, column]
    return value, good
