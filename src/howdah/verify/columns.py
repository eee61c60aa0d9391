"""Whole columns, source beside target: which values are surely what they must be.

For each column there is SQL that the server writes the value with, and a function that says of two arrays, row by row,
whether they agree beyond doubt. It may doubt anything: what is doubted is derived value by value, by
:mod:`howdah.verify.expect`. So nothing here has to be complete; but what it calls equal must be equal.

Where possible the server's own output is compared with the source's text, so that nothing is parsed at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.pg import quoted
from howdah.plan import ColumnPlan

Mask = NDArray[np.bool_]
Agree = Callable[[Any, Any], Mask]
"""(source array, target array), both without NULL where the other has none → rows that surely agree."""

_FACTORS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_TEXTS = ("text", "varchar", "citext", "name")
_MOMENTS = ("timestamptz", "timestamp")
# A number with a fraction or an exponent, or with many digits.
_FINE = r"(^|[:\[,])[ \t\n\r]*-?[0-9]+([.eE]|[0-9]{15})"
_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


@dataclass(frozen=True)
class Rule:
    """How one column is compared.

    :ivar sql: what the server is asked for.
    :ivar key: the source's values in the form that the target's have, to match rows by; ``None`` when a row cannot
        be matched by this column.
    :ivar agree: which rows surely agree.
    """

    sql: str
    agree: Agree
    key: Callable[[Any], Any] | None = None


def rule(column: ColumnPlan, lane: str) -> Rule | None:
    """Return how a column is compared when its source is read in a lane, or ``None`` where there is no quick way."""
    name, kind = quoted(column.target), column.type.name
    if not column.source:
        if kind not in ("uuid", *_TEXTS):
            return None
        constant = column.option("value")
        constant = constant.lower() if kind == "uuid" else constant
        return Rule(f"{name}::text", lambda _, target: _same(_filled(target, constant), target))
    if column.option("value"):
        return None
    if kind in ("int2", "int4", "int8") and lane == "integer":
        return Rule(f"{name}::int8", _same, key=lambda source: source)
    if kind in ("float8", "float4") and lane in ("real", "number"):
        return Rule(f"{name}::float8", _same_bits)
    if kind == "bool" and lane == "integer":
        return Rule(f"{name}::int4::int8", _same)
    if kind == "numeric":
        return Rule(f"trim_scale({name})::text", _same_number) if lane in ("integer", "real", "number") else None
    if kind == "bytea" and lane == "blob":
        return Rule(name, _same)
    if kind in _MOMENTS and lane == "integer" and _clock(column) in _FACTORS:
        return Rule(name, lambda source, target: _same_epoch(source, target, _FACTORS[_clock(column)]))
    if kind in _MOMENTS and lane == "real" and _clock(column) in _FACTORS:
        return Rule(name, lambda source, target: _same_fraction(source, target, _FACTORS[_clock(column)]))
    return _of_text(column, name, kind) if lane == "text" else None


def _clock(column: ColumnPlan) -> str:
    return column.cast if column.cast in _FACTORS else column.option("unit")


def _of_text(column: ColumnPlan, name: str, kind: str) -> Rule | None:
    text = f"{name}::text"
    if column.cast == "uuid5_kept":
        return Rule(text, _same_kept)
    if kind in _TEXTS or column.type.kind == "e":
        return Rule(text, _same, key=lambda source: source)
    if kind == "uuid":
        return Rule(text, lambda source, target: _same(pc.ascii_lower(source), target), key=pc.ascii_lower)
    if kind == "json":
        return Rule(text, _same)
    if kind == "jsonb":
        return Rule(text, _same_document)
    if kind in _MOMENTS and not column.option("truncate"):
        zoned = kind == "timestamptz" or column.cast == "text_utc"
        return Rule(name, lambda source, target: _same_moment(source, target, zoned))
    if kind == "date":
        return Rule(text, _same)
    return None


def _plain(array: Any) -> Mask:
    found: Mask = array.to_numpy(zero_copy_only=False)
    return found


def _same(source: Any, target: Any) -> Mask:
    if pa.types.is_string(source.type) or pa.types.is_binary(source.type):
        # As bytes: a text of the source need not be UTF-8.
        source, target = source.cast(pa.binary()), target.cast(pa.binary())
    return _plain(pc.fill_null(pc.equal(source, target), False)) | _both_null(source, target)


def _both_null(source: Any, target: Any) -> Mask:
    return _plain(pc.and_(pc.is_null(source), pc.is_null(target)))


def _filled(target: Any, value: str) -> Any:
    return pa.array([value] * len(target), pa.string())


def _same_bits(source: Any, target: Any) -> Mask:
    return _same(_bits(source), _bits(target))


def _bits(array: Any) -> Any:
    return pa.Array.from_buffers(pa.int64(), len(array), array.buffers(), null_count=-1, offset=array.offset)


def _same_number(source: Any, target: Any) -> Mask:
    # Arrow writes a number as the shortest text that reads back as it; in the plain notation it is PostgreSQL's.
    return _same(pc.cast(source, pa.string()), target)


def _same_kept(source: Any, target: Any) -> Mask:
    is_uuid = pc.fill_null(pc.match_substring_regex(source, _UUID), True)
    return _plain(pc.and_(is_uuid, pc.is_null(target)))


def _micros(target: Any) -> Any:
    return target.cast(pa.timestamp("us", target.type.tz)).cast(pa.int64())


def _same_epoch(source: Any, target: Any, factor: int) -> Mask:
    bound = (1 << 62) // factor
    small = pc.and_(pc.less(source, bound), pc.greater(source, -bound))
    safe = pc.if_else(small, source, 0)
    return _plain(pc.fill_null(small, True)) & _same(pc.multiply(safe, factor), _micros(target))


def _same_fraction(source: Any, target: Any, factor: int) -> Mask:
    # The one decimal of whole microseconds that reads back as the double, where there is but one.
    back = pc.divide(pc.cast(_micros(target), pa.float64(), safe=False), float(factor))
    value = pc.fill_null(source, 0).to_numpy(zero_copy_only=False)
    fine: Mask = np.spacing(np.abs(value)) * factor < 0.5
    return (fine & _same(source, back)) | _both_null(source, target)


def _same_moment(source: Any, target: Any, zoned: bool) -> Mask:
    wanted = _micros(target)
    has_zone = _has_zone(source)
    agreed = _both_null(source, target)
    for rows, kind in ((~has_zone, pa.timestamp("us")), (has_zone, pa.timestamp("us", "UTC"))):
        if not rows.any() or (kind.tz and not zoned):
            continue
        where = np.flatnonzero(rows)
        part = source if len(where) == len(source) else source.take(pa.array(where))
        agreed[where] |= _same(_parsed(part, kind), wanted.take(pa.array(where))) & _plain(pc.is_valid(part))
    return agreed


def _has_zone(source: Any) -> Mask:
    zulu = pc.ends_with(source, "Z")
    offset = pc.match_substring_regex(source, "[+-][0-9][0-9]:?[0-9][0-9]$")
    clock = pc.greater(pc.binary_length(source), 16)
    return _plain(pc.fill_null(pc.or_(zulu, pc.and_(offset, clock)), False))


def _parsed(texts: Any, kind: Any) -> Any:
    """Return moments as microseconds since 1970 by Arrow's own reading, NULL where it reads none."""
    try:
        return pc.cast(texts, kind).cast(pa.int64())
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return pa.nulls(1, pa.int64())
    middle = len(texts) // 2
    return pa.concat_arrays([_parsed(texts.slice(0, middle), kind), _parsed(texts.slice(middle), kind)])


def _same_document(source: Any, target: Any) -> Mask:
    agreed = _same(source, target)
    rows = np.flatnonzero(~agreed & _plain(pc.and_(pc.is_valid(source), pc.is_valid(target))))
    if len(rows):
        where = pa.array(rows)
        mine, theirs = source.take(where), target.take(where)
        one, other = mine.cast(pa.binary()).to_pylist(), theirs.cast(pa.binary()).to_pylist()
        # Numbers that a double may not tell apart are compared as they are spelled.
        odd = _plain(pc.match_substring_regex(mine, _FINE)) | _plain(pc.match_substring_regex(theirs, _FINE))
        if not odd.any() and _all_mean_the_same(one, other):
            agreed[rows] = True
            return agreed
        agreed[rows] = [
            _mean_the_same(a, b, _as_spelled if fine else _sorted)
            for a, b, fine in zip(one, other, odd.tolist(), strict=True)
        ]
    return agreed


def _all_mean_the_same(one: list[bytes], other: list[bytes]) -> bool:
    """Return whether documents are the same, each with its counterpart, reading all of them as two lists.

    A word that none of them can know lies between each two, so that no part of one is taken for a part of the next.
    """
    between = f',"{token_hex(16)}",'.encode()
    return _mean_the_same(b"[%b]" % between.join(one), b"[%b]" % between.join(other), _sorted)


def _mean_the_same(one: bytes, other: bytes, read: Callable[[bytes], Any]) -> bool:
    try:
        return bool(read(one) == read(other))
    except (ValueError, TypeError, RecursionError):
        return False


def _sorted(text: bytes) -> bytes:
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)


def _as_spelled(text: bytes) -> Any:
    return json.loads(text, parse_int=_Number, parse_float=_Number)


class _Number(str):
    """A number as it is spelled: no string is equal to it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Number) and str(self) == str(other)

    __hash__ = str.__hash__
