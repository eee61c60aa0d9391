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
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.casts.clocks import CLOCKS
from howdah.casts.temporal import MICROSECONDS
from howdah.catalog.model import TargetType
from howdah.vector import moments
from howdah.vector.arrays import Bytes, lengths, matrix, nulls, pick, raw

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
    odd = ~_sound(array) & ~null
    if limit is not None:
        odd |= pc.greater(pc.fill_null(pc.utf8_length(array), 0), limit).to_numpy(zero_copy_only=False)
    return Cast(null, odd, varied=array)


def _sound(array: Any) -> Mask:
    """Return which texts are UTF-8 without a NUL character."""
    data, offsets = raw(array)
    sound = np.ones(len(array), np.bool_)
    if not len(data):
        return sound
    if not data.min():
        sound[np.searchsorted(offsets, np.flatnonzero(data == 0), "right") - 1] = False
    if data.max() > 127:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            texts = data.tobytes()
            for row in range(len(array)):
                try:
                    texts[offsets[row] : offsets[row + 1]].decode()
                except UnicodeDecodeError:
                    sound[row] = False
    return sound


_HYPHENS = (8, 13, 18, 23)
_DIGITS = np.array([at for at in range(36) if at not in _HYPHENS])
_NIBBLE = np.full(256, 255, np.uint8)
for _at, _characters in enumerate(
    ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "aA", "bB", "cC", "dD", "eE", "fF")
):
    for _character in _characters:
        _NIBBLE[ord(_character)] = _at


def _uuids(array: Any) -> Cast:
    null = nulls(array)
    rows = np.flatnonzero(lengths(array) == 36)
    text = matrix(array, rows, 36)
    nibbles = _NIBBLE[text[:, _DIGITS]]
    good = (nibbles.max(axis=1, initial=0) < 16) & (text[:, _HYPHENS] == ord("-")).all(axis=1)
    values = np.zeros((len(array), 16), np.uint8)
    values[rows] = nibbles[:, ::2] << 4 | (nibbles[:, 1::2] & 15)
    settled = np.zeros(len(array), np.bool_)
    settled[rows] = good
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


_TRIVIAL = pa.array(["[]", "{}", "null", "true", "false"])


def _documents(array: Any, binary: bool) -> Cast:
    null = nulls(array)
    unsettled = _none(array)
    rows = np.flatnonzero(~null & ~pc.is_in(array, _TRIVIAL).to_numpy(zero_copy_only=False))
    if not len(rows):
        return Cast(null, unsettled, varied=_marked(array) if binary else array)
    sound = _sound(array)
    unsettled[rows] = ~sound[rows]
    rows = rows[sound[rows]]
    texts = pick(array, rows)
    odd = _any(texts, ("\\u0000",))
    if binary:
        # What the test for repeated keys cannot see through, and numbers that may be beyond PostgreSQL's.
        odd |= _any(texts, ("\\u0022", " :", "\t:", "\n:", "\r:"))
        odd |= pc.match_substring_regex(texts, "[0-9][eE]").to_numpy(zero_copy_only=False)
    unsettled[rows] |= odd | ~_valid(texts, unique_keys=binary)
    return Cast(null, unsettled, varied=_marked(array) if binary else array)


def _any(texts: Any, parts: tuple[str, ...]) -> Mask:
    """Return which texts hold one of some strings."""
    found = np.zeros(len(texts), np.bool_)
    whole = raw(texts)[0].tobytes()
    for part in parts:
        if part.encode() in whole:
            found |= pc.match_substring(texts, part).to_numpy(zero_copy_only=False)
    return found


def _valid(texts: Any, unique_keys: bool) -> Mask:
    """Return which texts are JSON; with ``unique_keys``, have no key twice in an object either.

    Written anew from what was read, a document has one ``":`` for each key that is left; those in strings stay.
    """
    data, offsets = raw(texts)
    whole = data.tobytes()
    valid = np.ones(len(texts), np.bool_)
    loads, dumps, start = orjson.loads, orjson.dumps, 0
    for row, end in enumerate(offsets[1:].tolist()):
        text = whole[start:end]
        start = end
        try:
            value = loads(text)
            if unique_keys and dumps(value).count(b'":') != text.count(b'":'):
                valid[row] = False
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            valid[row] = False
    return valid


def _marked(array: Any) -> Any:
    """Return documents with the version byte of jsonb in front."""
    return pc.binary_join_element_wise(pa.scalar(b"\x01"), array.cast(pa.binary()), pa.scalar(b""))


def _numbers(array: Any, kind: type[np.generic]) -> NDArray[Any]:
    """Return a number array's values; NULL reads as zero."""
    filled = pc.fill_null(array, 0) if array.null_count else array
    values: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(kind, copy=False)
    return values


def _big(values: NDArray[Any]) -> Bytes:
    """Return numbers as rows of their bytes; they are big-endian already."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)
