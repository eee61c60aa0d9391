"""json and jsonb."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from howdah.casts.base import Cast, CastError, SqliteValue, mismatch
from howdah.casts.text import clean
from howdah.catalog.model import TargetType


def document(target: TargetType) -> Cast:
    """Return the cast to json or jsonb; the text is passed on as it is, once it is known to be sound.

    jsonb would silently keep only the last of two equal keys, so such a document does not fit it. A column
    declared JSON has NUMERIC affinity: the document ``123`` was stored as an integer, and is one again.
    """
    binary = target.name == "jsonb"

    def cast(value: SqliteValue) -> str:
        if isinstance(value, bytes):
            raise mismatch(value, "a JSON document")
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            if math.isinf(value):
                raise CastError("invalid_json", "Infinity is no JSON.")
            return repr(value)
        clean(value)
        check(value, binary)
        return value

    return cast


def check(text: str, binary: bool) -> None:
    """Refuse a document that PostgreSQL would refuse or change.

    :raises CastError: invalid, not a JSON number, a NUL or a lone surrogate in a string, a key twice, too
        deep.
    """
    try:
        _strings(_DECODER.decode(text), binary)
    except _DuplicateKeyError:
        if binary:
            raise CastError(
                "json_duplicate_key", "The document has the same key twice; jsonb would drop one."
            ) from None
        _strings(_LENIENT.decode(text), binary)
    except RecursionError:
        raise CastError("json_too_deep", "The document is nested too deeply.") from None
    except ValueError as error:
        if isinstance(error, CastError):
            raise
        raise CastError("invalid_json", "The text is no valid JSON.") from None


def _strings(value: Any, binary: bool) -> None:
    if isinstance(value, str):
        if binary and "\x00" in value:
            raise CastError("json_nul", "A string in the document holds \\u0000, which jsonb cannot.")
        if binary and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise CastError("json_surrogate", "A string in the document holds half a surrogate pair.") from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _strings(key, binary)
            _strings(item, binary)
    elif isinstance(value, list):
        for item in value:
            _strings(item, binary)


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DuplicateKeyError
    return result


def _constant(word: str) -> NoReturn:
    raise CastError("invalid_json", f"{word} is no JSON.")


def _number(_: str) -> None:
    """Skip numbers: Python's own limits on them are not PostgreSQL's."""


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_number, parse_float=_number, parse_constant=_constant)
_LENIENT = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)
