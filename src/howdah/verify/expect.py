"""What a source value must be in PostgreSQL: written a second time, from the rules, not from the casts."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from howdah import encoding
from howdah.plan import ColumnPlan, TablePlan
from howdah.reading import Row

Rule = Callable[[Any], bytes]
"""A value that is not NULL → its canonical encoding."""


class UnexpectedError(ValueError):
    """By the rules this value should have gone to quarantine."""


# Ticks per second of each clock, and the day it starts.
_TICKS = {
    "epoch_s": (1, (1970, 1, 1)),
    "epoch_ms": (10**3, (1970, 1, 1)),
    "epoch_us": (10**6, (1970, 1, 1)),
    "epoch_ns": (10**9, (1970, 1, 1)),
    "apple_s": (1, (2001, 1, 1)),
    "apple_ns": (10**9, (2001, 1, 1)),
    "filetime": (10**7, (1601, 1, 1)),
    "webkit": (10**6, (1601, 1, 1)),
}
_TRUE = ("1", "t", "true", "y", "yes", "on")
_FALSE = ("0", "f", "false", "n", "no", "off")
_HEX = "0123456789abcdef"
# 2000-01-01 in days since 1970-01-01.
_DAYS_TO_2000 = 10_957
# Midnight of that day as twice its Julian day, which is 2,451,544.5.
_JULIAN_2000_TWICE = 4_903_089
_MILLIS_PER_DAY = 86_400_000
_MICROS_PER_DAY = 86_400_000_000


class Expectation:
    """Derives the canonical fields of a target row from a source row, as a plan says."""

    def __init__(self, plan: TablePlan) -> None:
        names = [column.name for column in plan.table.columns]
        self._steps = [(names.index(c.source) if c.source else -1, _rule(c), c.option("value")) for c in plan.columns]
        targets = [column.target for column in plan.columns]
        self._key = [targets.index(name) for name in plan.key]

    def fields(self, row: Row) -> list[bytes]:
        """Return the canonical encoding of each planned column.

        :raises UnexpectedError: when the row should not be in the target at all.
        """
        result = []
        for position, rule, stand_in in self._steps:
            value = row[position] if position >= 0 else None
            if value is None and stand_in:
                value = stand_in
            try:
                result.append(encoding.NULL if value is None else rule(value))
            except (ValueError, ArithmeticError, RecursionError) as error:
                # Text that is no number or document, and numbers that no type has.
                raise UnexpectedError from error
        return result

    def key(self, fields: list[bytes]) -> list[bytes]:
        """Return the fields that identify a row: its key, or all of them."""
        return [fields[index] for index in self._key] if self._key else fields


def _rule(column: ColumnPlan) -> Rule:
    kind = column.type.name
    if column.cast == "uuid5":
        space = bytes.fromhex(column.option("namespace").replace("-", ""))
        return lambda value: encoding.uuid(_uuid_bytes(value) or _version_5(space, value))
    if column.cast == "uuid5_kept":
        return lambda value: encoding.NULL if _uuid_bytes(value) else _text(value, column)
    if column.cast == "uuid_blob":
        return lambda value: encoding.uuid(value if isinstance(value, bytes) else _uuid_or_fail(value))
    if kind in ("timestamptz", "timestamp", "date"):
        clock, grain = clock_of(column), grain_of(column)
        return lambda value: _temporal(value, kind, clock, grain)
    if column.type.kind == "e":
        return lambda value: _text(value, column)
    rules: dict[str, Rule] = {
        **dict.fromkeys(("int2", "int4", "int8"), _integer),
        **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name"), lambda value: _text(value, column)),
        "bool": _boolean,
        "uuid": lambda value: encoding.uuid(_uuid_or_fail(value)),
        "numeric": lambda value: encoding.exact(_decimal(value)),
        "float8": lambda value: encoding.double(_double(value)),
        "float4": lambda value: encoding.single(_double(value)),
        "json": lambda value: encoding.text(str(value).encode()),
        "jsonb": lambda value: encoding.document(str(value)),
        "bytea": _binary,
        "time": lambda value: encoding.clock(_clock(value)),
    }
    return rules[kind]


def clock_of(column: ColumnPlan) -> str:
    """Return the clock that numbers are read by, empty where they are no moments."""
    return column.option("unit") or (column.cast if column.cast in (*_TICKS, "julian") else "")


def grain_of(column: ColumnPlan) -> int:
    """Return the microseconds that moments are cut to; 0: they are not cut."""
    digits = 6 if column.type.precision is None else column.type.precision
    return 10 ** (6 - digits) if column.option("truncate") else 0


def ticks_of(clock: str) -> tuple[int, int]:
    """Return a clock's ticks per second and when it starts, in microseconds since 2000-01-01; ``julian`` has none."""
    ticks, start = _TICKS[clock]
    return ticks, _days(*start) * _MICROS_PER_DAY


def _integer(value: Any) -> bytes:
    if isinstance(value, bytes) or (isinstance(value, float) and value != math.floor(value)):
        raise UnexpectedError
    try:
        return encoding.integer(int(value))
    except ValueError:
        raise UnexpectedError from None


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bytes):
        raise UnexpectedError
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise UnexpectedError from None


def _double(value: Any) -> float:
    if isinstance(value, bytes):
        raise UnexpectedError
    # Through struct: an integer and its double have the same bits or they are not the same number.
    found: float = struct.unpack("<d", struct.pack("<d", float(value)))[0]
    if isinstance(value, int) and found != value:
        raise UnexpectedError
    return found


def _boolean(value: Any) -> bytes:
    word = str(value).casefold() if isinstance(value, str) else value
    if word in _TRUE or word == 1:
        return encoding.boolean(True)
    if word in _FALSE or word == 0:
        return encoding.boolean(False)
    raise UnexpectedError


def _text(value: Any, column: ColumnPlan) -> bytes:
    if isinstance(value, bytes):
        raise UnexpectedError
    try:
        raw = str(value).encode()
    except UnicodeEncodeError:
        raise UnexpectedError from None
    if b"\x00" in raw:
        raise UnexpectedError
    # char(n) is padded by PostgreSQL; its padding means nothing.
    return encoding.text(raw.rstrip(b" ") if column.type.name == "bpchar" else raw)


def _binary(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise UnexpectedError
    return encoding.binary(value)


def _uuid_bytes(value: Any) -> bytes | None:
    """Return the bytes of a UUID, read digit by digit like ``uuid_in``; ``None`` if it is none."""
    if not isinstance(value, str):
        raise UnexpectedError
    if len(value) == 36 and value[8] == value[13] == value[18] == value[23] == "-":
        plain = value.replace("-", "")
        if len(plain) == 32 and plain.isascii():
            try:
                raw = bytes.fromhex(plain)
            except ValueError:
                return None
            return raw if len(raw) == 16 else None  # fromhex passes over blanks
    text = value.lower()
    braces = text.startswith("{")
    at = 1 if braces else 0
    digits = []
    for number in range(32):
        if at >= len(text) or text[at] not in _HEX:
            return None
        digits.append(_HEX.index(text[at]))
        at += 1
        if number % 4 == 3 and number < 31 and at < len(text) and text[at] == "-":
            at += 1
    rest = text[at:]
    if rest != ("}" if braces else ""):
        return None
    return bytes(high << 4 | low for high, low in zip(digits[::2], digits[1::2], strict=True))


def _uuid_or_fail(value: Any) -> bytes:
    found = _uuid_bytes(value)
    if found is None:
        raise UnexpectedError
    return found


def _version_5(space: bytes, name: str) -> bytes:
    """Return the name-based UUID of RFC 9562 section 5.5 (SHA-1)."""
    if not name:
        raise UnexpectedError
    raw = bytearray(hashlib.sha1(space + name.encode(), usedforsecurity=False).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def _days(year: int, month: int, day: int) -> int:
    """Return days since 2000-01-01 of a day of the Gregorian calendar.

    ``days_from_civil`` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    if not (1 <= month <= 12 and 1 <= day <= 31 and year >= 1):
        raise UnexpectedError
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468 - _DAYS_TO_2000


def _temporal(value: Any, kind: str, clock: str, grain: int) -> bytes:
    micros = _moment(value, clock, grain)
    if grain:
        micros = micros // grain * grain
    if kind == "date":
        if micros % _MICROS_PER_DAY:
            raise UnexpectedError
        return encoding.day(micros // _MICROS_PER_DAY)
    return encoding.moment(micros, zoned=kind == "timestamptz")


def _moment(value: Any, clock: str, grain: int) -> int:
    """Return microseconds since 2000-01-01, UTC where a zone is given.

    :param grain: not 0: what is finer than a microsecond is cut.
    """
    if isinstance(value, bytes):
        raise UnexpectedError
    number = str(value)
    if not isinstance(value, str) or (clock and number.lstrip("-").replace(".", "", 1).isdecimal()):
        if not clock:
            raise UnexpectedError
        return _counted(Fraction(number), clock, grain)
    try:
        days = _days(int(number[0:4]), int(number[5:7]), int(number[8:10]))
        time, zone = _split_zone(number[11:])
        return days * _MICROS_PER_DAY + (_clock(time, cut=bool(grain)) if time else 0) - zone
    except ValueError:
        raise UnexpectedError from None


def _counted(number: Fraction, clock: str, grain: int) -> int:
    """Return microseconds since 2000-01-01 of what a clock shows."""
    if clock == "julian":
        millis = (number - Fraction(_JULIAN_2000_TWICE, 2)) * _MILLIS_PER_DAY
        return math.floor(millis + Fraction(1, 2)) * 1000
    ticks, start = ticks_of(clock)
    micros = number * 1_000_000 / ticks + start
    if micros.denominator != 1 and not grain:
        raise UnexpectedError
    return math.floor(micros)


def _split_zone(text: str) -> tuple[str, int]:
    """Split ``HH:MM:SS.ffffff+HH:MM`` into the time and the offset in microseconds."""
    for mark in ("Z", "z", "UTC"):
        if text.endswith(mark):
            return text[: -len(mark)].rstrip(), 0
    for position, character in enumerate(text):
        if character in "+-":
            digits = text[position + 1 :].replace(":", "")
            minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
            return text[:position].rstrip(), (minutes if character == "+" else -minutes) * 60_000_000
    return text, 0


def _clock(text: Any, cut: bool = False) -> int:
    """Return microseconds since midnight; a comma may stand for the point."""
    if not isinstance(text, str):
        raise UnexpectedError
    hours, minutes, *rest = text.split(":")
    whole, _, fraction = (rest[0] if rest else "0").replace(",", ".").partition(".")
    if len(fraction.rstrip("0")) > 6 and not cut:
        raise UnexpectedError
    seconds = (int(hours) * 60 + int(minutes)) * 60 + int(whole)
    return seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))
