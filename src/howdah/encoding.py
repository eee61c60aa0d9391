"""The canonical encoding of values: type tag, length, bytes. No separators, so no value can imitate another.

=========  ===========================================================
tag        payload
=========  ===========================================================
``N``      NULL: empty
``b``      boolean: one byte, 0 or 1
``i``      integer: decimal digits
``d``      double: 8 bytes, big-endian IEEE 754; ``f``: 4 bytes
``n``      exact number: sign, digits without trailing zeros, ``E``, exponent
``t``      text: UTF-8
``x``      bytes
``u``      UUID: 16 bytes
``z``      moment (UTC) in microseconds since 2000-01-01, 8 bytes; ``s``: the same without a time zone
``D``      day: days since 2000-01-01, 4 bytes
``h``      time of day: microseconds since midnight, 8 bytes
``j``      JSON document, keys sorted, numbers exact
=========  ===========================================================
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b, sha256
from typing import Any

NULL = b"N\x00\x00\x00\x00"


def field(tag: bytes, payload: bytes) -> bytes:
    """Return one encoded value."""
    return tag + len(payload).to_bytes(4, "big") + payload


def boolean(value: bool) -> bytes:
    """Encode a boolean."""
    return field(b"b", b"\x01" if value else b"\x00")


def integer(value: int) -> bytes:
    """Encode an integer of any width: int4 and int8 of the same value are the same."""
    return field(b"i", str(value).encode())


def double(value: float) -> bytes:
    """Encode a double by its bits: −0.0 is not 0.0."""
    return field(b"d", struct.pack(">d", value))


def single(value: float) -> bytes:
    """Encode a 4-byte float by its bits."""
    return field(b"f", struct.pack(">f", value))


def exact(value: Decimal) -> bytes:
    """Encode an exact number by its value: 1.50 is 1.5."""
    return field(b"n", exact_text(value))


def exact_text(value: Decimal) -> bytes:
    """Return the one spelling of an exact number."""
    if not value.is_finite():
        return str(value).encode()
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - finite
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return b"0"
    return f"{'-' if sign else ''}{stripped}E{exponent + len(text) - len(stripped)}".encode()


def text(value: bytes) -> bytes:
    """Encode text, given as UTF-8."""
    return field(b"t", value)


def binary(value: bytes) -> bytes:
    """Encode bytes."""
    return field(b"x", value)


def uuid(value: bytes) -> bytes:
    """Encode a UUID, given as 16 bytes."""
    return field(b"u", value)


def moment(microseconds: int, zoned: bool) -> bytes:
    """Encode a moment in microseconds since 2000-01-01."""
    return field(b"z" if zoned else b"s", microseconds.to_bytes(8, "big", signed=True))


def day(days: int) -> bytes:
    """Encode a day, in days since 2000-01-01."""
    return field(b"D", days.to_bytes(4, "big", signed=True))


def clock(microseconds: int) -> bytes:
    """Encode a time of day, in microseconds since midnight."""
    return field(b"h", microseconds.to_bytes(8, "big", signed=True))


def document(source: str) -> bytes:
    """Encode a JSON document by its meaning: order of keys and spelling of numbers do not matter.

    Written without recursion, as documents may be nested deeper than Python's stack.

    :raises ValueError: when it is no JSON.
    """
    out: list[bytes] = []
    waiting: list[Any] = [json.loads(source, parse_float=Decimal, parse_int=_integer)]
    while waiting:
        item = waiting.pop()
        if item is None:
            out.append(NULL)
        elif isinstance(item, bool):
            out.append(boolean(item))
        elif isinstance(item, str):
            out.append(text(item.encode("utf-8", "surrogatepass")))
        elif isinstance(item, Decimal):
            out.append(exact(item))
        elif isinstance(item, int):
            out.append(field(b"n", _exact_integer(item)))
        elif isinstance(item, dict):
            out.append(field(b"{", str(len(item)).encode()))
            for key in sorted(item, reverse=True):
                waiting += [item[key], key]
        elif isinstance(item, list):
            out.append(field(b"[", str(len(item)).encode()))
            waiting += reversed(item)
        else:
            raise ValueError("no JSON")
    return field(b"j", b"".join(out))


def _integer(text: str) -> int | Decimal:
    # int() refuses more than 4,300 digits; Decimal is much slower for the few that are usual.
    return int(text) if len(text) < 4000 else Decimal(text)


def _exact_integer(value: int) -> bytes:
    """Return what :func:`exact_text` returns for the same number."""
    text = str(value)
    stripped = text.rstrip("0")
    return f"{stripped}E{len(text) - len(stripped)}".encode() if value else b"0"


def key_hash(fields: Iterable[bytes]) -> bytes:
    """Return 16 bytes that stand for a key."""
    return blake2b(b"".join(fields), digest_size=16).digest()


def row_hash(fields: Iterable[bytes]) -> bytes:
    """Return the 32-byte digest of a row."""
    return sha256(b"".join(fields)).digest()
