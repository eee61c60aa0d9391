"""PostgreSQL's binary form of a value, made from its text form; one value at a time.

Formats: the ``*_recv`` functions of PostgreSQL's ``src/backend/utils/adt``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal

from howdah.catalog.model import TargetType

Encoder = Callable[[str], bytes]

NULL = b"\xff\xff\xff\xff"

_MIDNIGHT_2000 = datetime(2000, 1, 1)
_DAY_2000 = date(2000, 1, 1).toordinal()
_NUMERIC_SPECIAL = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}

WIDTHS = {
    "bool": 1,
    "int2": 2,
    "int4": 4,
    "int8": 8,
    "float4": 4,
    "float8": 8,
    "date": 4,
    "time": 8,
    "timestamp": 8,
    "timestamptz": 8,
    "uuid": 16,
}
"""Bytes of the types whose binary form always has the same length."""


def encoder(kind: TargetType) -> Encoder:
    """Return the function that turns a type's text, as casts write it, into its binary form."""
    return _text if kind.kind == "e" else _ENCODERS[kind.name]


def field(value: bytes | None) -> bytes:
    """Return a value with its length in front, as a field of a COPY row."""
    return NULL if value is None else len(value).to_bytes(4, "big") + value


def _text(text: str) -> bytes:
    return text.encode()


def _integer(width: int) -> Encoder:
    return lambda text: int(text).to_bytes(width, "big", signed=True)


def _numeric(text: str) -> bytes:
    if text in _NUMERIC_SPECIAL:
        return struct.pack(">hhHH", 0, 0, _NUMERIC_SPECIAL[text], 0)
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - it is a letter only for the special values
    scale = max(-exponent, 0)
    # Whole groups of four decimal digits on both sides of the point.
    plain = "".join(map(str, digits)) + "0" * (max(exponent, 0) + -scale % 4)
    plain = plain.rjust(-(-len(plain) // 4) * 4, "0")
    groups = [int(plain[at : at + 4]) for at in range(0, len(plain), 4)]
    weight = len(groups) - 1 - -(-scale // 4)
    while groups and not groups[0]:
        del groups[0]
        weight -= 1
    while groups and not groups[-1]:
        del groups[-1]
    if not groups:
        weight, sign = 0, 0
    return struct.pack(f">hhHH{len(groups)}h", len(groups), weight, 0x4000 if sign else 0, scale, *groups)


def _moment(text: str) -> bytes:
    # Casts write UTC, so the zone says nothing more.
    since = datetime.fromisoformat(text.removesuffix("+00")) - _MIDNIGHT_2000
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds).to_bytes(8, "big", signed=True)


def _day(text: str) -> bytes:
    return (date.fromisoformat(text).toordinal() - _DAY_2000).to_bytes(4, "big", signed=True)


def _clock(text: str) -> bytes:
    found = time.fromisoformat(text)
    seconds = (found.hour * 60 + found.minute) * 60 + found.second
    return (seconds * 1_000_000 + found.microsecond).to_bytes(8, "big")


_ENCODERS: dict[str, Encoder] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "citext", "name", "json"), _text),
    "bool": lambda text: b"\x01" if text == "t" else b"\x00",
    "int2": _integer(2),
    "int4": _integer(4),
    "int8": _integer(8),
    "float4": lambda text: struct.pack(">f", float(text)),
    "float8": lambda text: struct.pack(">d", float(text)),
    "numeric": _numeric,
    "uuid": lambda text: bytes.fromhex(text.replace("-", "")),
    "bytea": lambda text: bytes.fromhex(text[2:]),
    "jsonb": lambda text: b"\x01" + text.encode(),
    "timestamp": _moment,
    "timestamptz": _moment,
    "date": _day,
    "time": _clock,
}
