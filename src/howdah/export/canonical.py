"""One form for a value, whether PostgreSQL says it or SQLite holds it: what the comparison compares."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from hashlib import sha1
from typing import Any
from uuid import UUID

from howdah.encoding import exact_text
from howdah.export.values import Column

Rule = Callable[[Any], bytes]
"""A value that is not NULL → its canonical form."""

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
_JULIAN_1970 = Decimal("2440587.5")
_DAY = 86_400
_INTEGERS = ("int2", "int4", "int8")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRONG = b"! "


def held_rule(column: Column) -> Rule:
    """Return the form of PostgreSQL's text of a value."""
    kind = column.type.name
    if column.unit:
        return lambda text: _micros_of_text(text, column.unit)
    if column.type.kind != "e":
        if kind == "bool":
            return lambda text: b"1" if text == "true" else b"0"
        if kind in ("float8", "float4"):
            return lambda text: _double(float(text), column)
        if kind == "numeric":
            return lambda text: exact_text(Decimal(text))
        if kind == "bytea":
            return lambda text: bytes.fromhex(text[2:])
        if kind in ("json", "jsonb") and column.affinity != "TEXT":
            return _document
    return lambda text: str(text).encode()


def kept_rule(column: Column) -> Rule:
    """Return the form of a value of SQLite; one in a storage class that it should not have is like no other."""
    rule = _kept(column)

    def checked(value: Any) -> bytes:
        if isinstance(value, bytes) and column.storage != "blob":
            return _WRONG + value
        try:
            return rule(value) if _suits(column, value) else _WRONG + repr(value).encode()
        except (ValueError, InvalidOperation, OverflowError):
            return _WRONG + repr(value).encode()

    return checked


def _suits(column: Column, value: Any) -> bool:
    """Return whether a value has the storage class that the plan gives it, after the column's affinity."""
    if column.storage == "blob":
        return isinstance(value, bytes)
    if column.storage == "text" or column.affinity == "TEXT":
        # A column of numeric affinity makes numbers of texts that look like one; their rule sees to their spelling.
        return isinstance(value, str) or column.affinity not in ("TEXT", "BLOB")
    if isinstance(value, str):
        return _has_no_number(column, value)
    whole = not isinstance(value, float) or (value.is_integer() and -(2**63) < value < 2**63)
    if column.affinity == "REAL" or (column.storage == "real" and column.affinity == "BLOB"):
        return isinstance(value, float)
    if column.storage == "integer":
        return isinstance(value, int)
    return isinstance(value, int) == whole


def _has_no_number(column: Column, text: str) -> bool:
    """Return whether a text stands where a number belongs because SQLite has no such number."""
    try:
        number = Decimal(text) if column.type.name == "numeric" or column.unit else None
    except InvalidOperation:
        number = None
    if column.unit:
        return number is None or not number.is_finite()
    if number is not None and number.is_finite():
        return math.isinf(float(number)) or (float(number) == 0 and number != 0)
    return text == "NaN" and column.type.name in ("float4", "float8", "numeric")


def _kept(column: Column) -> Rule:
    kind = column.type.name
    if column.mapped:
        space = UUID(column.mapped.namespace).bytes
        return lambda value: _identifier(value, space)
    if column.unit:
        return lambda value: _micros_of_number(value, column.unit)
    if column.type.kind == "e":
        return _plain
    if kind == "bool":
        return _truth
    if kind in _INTEGERS:
        return _integer
    if kind in ("float8", "float4"):
        return lambda value: _double(float(value), column)
    if kind == "numeric":
        return lambda value: exact_text(_decimal(value))
    if kind == "bytea":
        return bytes
    if kind == "uuid":
        return lambda value: str(UUID(bytes=value)).encode() if isinstance(value, bytes) else _plain(value)
    if kind in ("json", "jsonb") and column.affinity != "TEXT":
        return _document
    if kind == "timestamptz":
        return lambda value: _plain(value.removesuffix(":00") if value.endswith("+00:00") else value)
    return _plain


def _plain(value: Any) -> bytes:
    return str(value).encode()


def _truth(value: Any) -> bytes:
    return {1: b"1", 0: b"0", "true": b"1", "false": b"0"}.get(value, _WRONG)


def _integer(value: Any) -> bytes:
    if isinstance(value, float) and not value.is_integer():
        return _WRONG
    return str(value if isinstance(value, str) else int(value)).encode()


def _double(value: float, column: Column) -> bytes:
    if math.isnan(value):
        return b"NaN"
    # A column that makes integers of whole numbers has no negative zero, nor has one declared REAL.
    number = value + 0.0 if value == 0 and column.affinity not in ("BLOB", "TEXT") else value
    try:
        return struct.pack("<f" if column.type.name == "float4" else "<d", number)
    except OverflowError:
        return _WRONG


def _decimal(value: Any) -> Decimal:
    return Decimal(repr(value) if isinstance(value, float) else value)


def _document(value: Any) -> bytes:
    """Return a JSON document; a column of numeric affinity holds one that is a number as a number."""
    text = repr(value) if isinstance(value, float) else str(value)
    if text.lstrip()[:1] not in "-0123456789":
        return text.encode()
    try:
        number = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except (ValueError, RecursionError):
        number = None
    return exact_text(number) if isinstance(number, Decimal) else text.encode()


def _identifier(value: Any, space: bytes) -> bytes:
    """Return the UUID that a text is, or that it is mapped to (RFC 9562 section 5.5)."""
    text = str(value)
    try:
        if str(UUID(text)) == text:
            return text.encode()
    except ValueError:
        pass
    digest = bytearray(sha1(space + text.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest))).encode()


def _micros_of_text(text: str, unit: str) -> bytes:
    """Return microseconds since 1970 of PostgreSQL's text of a moment, or the text where it is beyond counting."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text.encode()
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    micros = (passed.days * _DAY + passed.seconds) * 1_000_000 + passed.microseconds
    return str(micros // 1000 * 1000 if unit == "julian" else micros).encode()


def _micros_of_number(value: Any, unit: str) -> bytes:
    """Return microseconds since 1970 of what a clock shows."""
    try:
        exact = _decimal(value)
    except InvalidOperation:
        return _plain(value)
    if not exact.is_finite():
        return _plain(value)
    number = Fraction(exact)
    if unit == "julian":
        # A double resolves 0.04 ms there.
        return str(round((number - Fraction(_JULIAN_1970)) * _DAY * 1000) * 1000).encode()
    ticks, start = _TICKS[unit]
    micros = (number / ticks + start) * 1_000_000
    return str(micros.numerator).encode() if micros.denominator == 1 else _WRONG
