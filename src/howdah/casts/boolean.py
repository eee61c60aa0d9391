"""Booleans: SQLite has none, so they are 0 and 1, or words."""

from __future__ import annotations

from howdah.casts.base import CastError, SqliteValue, mismatch

WORDS = {
    **dict.fromkeys(("1", "t", "true", "y", "yes", "on"), "t"),
    **dict.fromkeys(("0", "f", "false", "n", "no", "off"), "f"),
}
"""What PostgreSQL's own input takes, in lower case, except abbreviations."""


def boolean(value: SqliteValue) -> str:
    """Cast 0, 1 and the words that PostgreSQL's own input takes, in any case."""
    if isinstance(value, bytes):
        raise mismatch(value, "a boolean")
    if isinstance(value, str):
        word = WORDS.get(value.lower())
        if word is None:
            raise CastError("not_boolean", "The text is no boolean.")
        return word
    if value == 1:
        return "t"
    if value == 0:
        return "f"
    raise CastError("not_boolean", "The number is neither 0 nor 1.")
