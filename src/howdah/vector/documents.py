"""JSON texts in whole columns: which of them PostgreSQL takes, and loses nothing of."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from howdah.vector.arrays import Bytes, nulls, pick, raw, sound

Mask = NDArray[np.bool_]

_TRIVIAL = pa.array(["[]", "{}", "null", "true", "false"])
_SPACE = ord(" ")


def settled(array: Any, *, unique_keys: bool) -> Mask:
    """Return which texts are certainly documents; NULL is one.

    :param unique_keys: for jsonb, which keeps one of two equal keys of an object, and has its limits for numbers: no
        key is there twice, and no number has an exponent.
    """
    good: Mask = nulls(array) | pc.fill_null(pc.is_in(array, _TRIVIAL), False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(~good)
    if len(rows):
        clean = sound(array)[rows]
        rows = rows[clean]
        texts = pick(array, rows)
        good[rows] = ~_doubtful(texts, unique_keys) & _valid(texts, unique_keys)
    return good


def marked(array: Any) -> Any:
    """Return documents with the version byte of jsonb in front."""
    return pc.binary_join_element_wise(pa.scalar(b"\x01"), array.cast(pa.binary()), pa.scalar(b""))


def _doubtful(texts: Any, unique_keys: bool) -> Mask:
    """Return which texts hold what :func:`_valid` cannot see through."""
    found = np.zeros(len(texts), np.bool_)
    data, offsets = raw(texts)
    # A NUL character; a quotation mark and a colon, by which keys are counted.
    escapes = ("\\u0000", "\\u0022", "\\u003a", "\\u003A") if unique_keys else ("\\u0000",)
    if b"\\u00" in data.tobytes():
        for escape in escapes:
            found |= pc.match_substring(texts, escape).to_numpy(zero_copy_only=False)
    if unique_keys:
        before = np.concatenate([data[:1], data[:-1]])
        colons = np.flatnonzero((data == ord(":")) & (before <= _SPACE))
        exponents = np.flatnonzero(((data | 32) == ord("e")) & _digits(before))
        for places in (colons, exponents[~_escaped(data, exponents)]):
            found[np.searchsorted(offsets, places, "right") - 1] = True
    return found


def _digits(data: Bytes) -> Mask:
    return (data - np.uint8(ord("0"))) < 10


def _escaped(data: Bytes, places: NDArray[np.intp]) -> Mask:
    """Return which characters belong to the hexadecimal digits of an escape, like the e of ``\\u00e9``."""
    found = np.zeros(len(places), np.bool_)
    for back in (3, 4, 5):
        # At the very start it looks at the end, which makes it no escape: no document starts in the middle of one.
        escape = (data[places - back] == ord("\\")) & (data[places - back + 1] == ord("u"))
        for between in range(1, back - 1):
            escape &= data[places - between] >= ord("0")
        found |= escape
    return found


def _valid(texts: Any, unique_keys: bool) -> Mask:
    """Return which texts are JSON; with ``unique_keys``, have no key twice in an object either."""
    if len(texts) > 1 and _all_valid(texts, unique_keys):
        return np.ones(len(texts), np.bool_)
    return np.fromiter((_all_valid(texts.slice(row, 1), unique_keys) for row in range(len(texts))), np.bool_)


def _all_valid(texts: Any, unique_keys: bool) -> bool:
    """Return whether each of some texts is JSON, reading all at once.

    They become one list, with a word that none of them can know between each two: only where each text is one value
    does every second value of the list remain that word.

    Written anew from what was read, a document has one ``":`` for each key that is left; those in strings stay.
    """
    word, rows = token_hex(16), len(texts)
    whole = pc.binary_join(pa.ListArray.from_arrays([0, rows], texts), f',"{word}",')[0].as_buffer()
    try:
        values = orjson.loads(b"[%b]" % whole)
        if len(values) != 2 * rows - 1 or values[1::2] != [word] * (rows - 1):
            return False
        return not unique_keys or orjson.dumps(values).count(b'":') == _keys(texts)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def _keys(texts: Any) -> int:
    data, _ = raw(texts)
    return int(np.count_nonzero((data[1:] == ord(":")) & (data[:-1] == ord('"'))))
