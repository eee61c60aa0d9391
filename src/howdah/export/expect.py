"""What SQLite must hold for what PostgreSQL says: written a second time, from the rules, not from the writer's SQL.

A value is expected as Python reads it from SQLite (``int``, ``float``, ``str``, ``bytes``): of another storage class it
is another value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha1
from typing import Any
from uuid import UUID

from howdah.encoding import exact_text
from howdah.export.values import Column

Rule = Callable[[Any], Any]
"""Takes a value that is not NULL."""

# Ticks per second of each clock, and the second since 1970 at which it starts.
_TICKS = {
    "epoch_s": (1, 0),
    "epoch_ms": (10**3, 0),
    "epoch_us": (10**6, 0),
    "epoch_ns": (10**9, 0),
    "apple_s": (1, 978_307_200),
    "apple_ns": (10**9, 978_307_200),
    "filetime": (10**7, -11_644_473_600),
    "webkit": (10**6, -11_644_473_600),
}
_JULIAN_1970 = Fraction("2440587.5")
_DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTH = {"true": 1, "false": 0}
_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric", "bool")


def expected(column: Column) -> Rule | None:
    """Return what makes of PostgreSQL's text of a value the value that SQLite must hold; ``None``: the text itself."""
    kind = "" if column.type.kind == "e" else column.type.name
    if column.storage == "blob":
        return _uuid_bytes if kind == "uuid" else _bytes
    if column.unit == "julian":
        return _millisecond_of_text
    if column.unit:
        return lambda text: _ticks(text, column)
    if kind in ("json", "jsonb") and _makes_numbers(column):
        return _document
    if kind == "timestamptz":
        return lambda text: text + ":00" if text.endswith("+00") and text[:4].isdecimal() and text[4] == "-" else text
    if kind not in _NUMBERS or column.storage == "text" or column.mapped:
        return None
    if kind == "bool":
        return _TRUTH.__getitem__ if not _is_real(column) else lambda text: float(_TRUTH[text])
    if kind in ("float4", "float8"):
        narrow = kind == "float4"
        return lambda text: _double(text, column, narrow)
    if kind == "numeric" or _is_real(column):
        return lambda text: _decimal(text, column)
    return int


def found(column: Column) -> Rule | None:
    """Return what makes a value of SQLite comparable with what :func:`expected` gives; ``None``: it is as it is."""
    if column.mapped:
        space = UUID(column.mapped.namespace).bytes
        return lambda value: _identifier(value, space)
    if column.unit == "julian":
        return _millisecond_of_number
    if column.storage != "text" or not _makes_numbers(column):
        return None
    if column.type.name in ("json", "jsonb"):
        return _document
    # Such a column makes numbers of texts that look like one; none may have lost its spelling by that.
    return lambda value: repr(value) if isinstance(value, int | float) else value


def _makes_numbers(column: Column) -> bool:
    return column.affinity in ("INTEGER", "NUMERIC", "REAL")


def _is_real(column: Column) -> bool:
    return column.affinity == "REAL" or (column.storage == "real" and column.affinity == "BLOB")


def _settled(number: float | int, column: Column) -> float | int:
    """Return a number in the storage class that writer and column give it."""
    if _is_real(column):
        # A column declared REAL has no negative zero.
        return float(number) + 0.0 if column.affinity == "REAL" else float(number)
    whole = number == number // 1 if abs(number) < 2**63 or number == -(2**63) else False
    return int(number) if whole and (column.storage == "number" or abs(number) < 2**63) else number


def _double(text: str, column: Column, narrow: bool) -> Any:
    if text == "NaN":
        return text
    number = float(text)
    if narrow:
        number = struct.unpack("<f", struct.pack("<f", number))[0]
    return _settled(number, column)


def _decimal(text: str, column: Column) -> Any:
    """Return an integer or exact number; one that SQLite cannot hold as a number stays its text, unlike any number."""
    if text in ("Infinity", "-Infinity"):
        return float(text)
    if text.lstrip("-").isdecimal() and len(text) <= 20 and not _is_real(column) and -(2**63) <= int(text) < 2**63:
        return int(text)
    number = float(text)
    exact = Decimal(text)
    return _settled(number, column) if Decimal(repr(number)) == exact else text


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _uuid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _document(value: Any) -> Any:
    """Return a JSON document; one that is a number is compared as a number, however it is spelled."""
    text = repr(value) if isinstance(value, int | float) else value
    if not isinstance(text, str) or text.lstrip()[:1] not in tuple("-0123456789"):
        return value
    return exact_text(Decimal(text.strip()))


def _identifier(value: Any, space: bytes) -> Any:
    """Return the UUID that a text is, or that it is mapped to (RFC 9562 section 5.5)."""
    if not isinstance(value, str):
        return value
    try:
        if str(UUID(value)) == value:
            return value
    except ValueError:
        pass
    digest = bytearray(sha1(space + value.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))


def _micros(text: str) -> int | None:
    """Return microseconds since 1970 of PostgreSQL's text of a moment, ``None`` where it is beyond counting."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return (passed.days * _DAY + passed.seconds) * 1_000_000 + passed.microseconds


def _ticks(text: str, column: Column) -> Any:
    """Return what a clock shows; beyond its reach a moment stays PostgreSQL's text."""
    micros = _micros(text)
    if micros is None:
        return text
    ticks, start = _TICKS[column.unit]
    shown, rest = divmod((micros - start * 1_000_000) * ticks, 1_000_000)
    if not rest and column.storage == "number" and -(2**63) <= shown < 2**63 and not _is_real(column):
        return shown
    exact = shown + Fraction(rest, 1_000_000)
    if column.storage == "text":
        return str(Decimal(exact.numerator) / Decimal(exact.denominator)) if exact.denominator > 1 else str(exact)
    number = exact.numerator if exact.denominator == 1 else float(exact)
    return _settled(number, column) if Fraction(repr(number)) == exact else text


def _millisecond_of_text(text: str) -> Any:
    micros = _micros(text)
    return text if micros is None else micros // 1000


def _millisecond_of_number(value: Any) -> Any:
    """Return milliseconds since 1970 of a Julian day, of which a double resolves 0.04 ms."""
    if isinstance(value, str):
        return value
    return round((Fraction(value) - _JULIAN_1970) * _DAY * 1000) if isinstance(value, int | float) else value
