"""Text, varchar(n), char(n), citext, enums."""

from __future__ import annotations

from howdah.casts.base import Cast, CastError, SqliteValue, mismatch
from howdah.catalog.model import TargetType


def text(target: TargetType) -> Cast:
    """Return the cast to a text type.

    Numbers become their shortest exact decimal text; that is how SQLite itself would compare them as text,
    and the plan has a finding that says so. BLOBs, NUL characters and invalid UTF-8 do not fit.
    """
    limit = target.length
    padded = target.name == "bpchar"

    def cast(value: SqliteValue) -> str:
        if isinstance(value, bytes):
            raise mismatch(value, "text")
        if not isinstance(value, str):
            return checked_length(number_text(value))
        clean(value)
        if padded and value.endswith(" "):
            raise CastError("char_padding", "char(n) cannot tell trailing spaces from its own padding.")
        return checked_length(value)

    def checked_length(value: str) -> str:
        if limit is not None and len(value) > limit:
            raise CastError("too_long", f"The text has {len(value)} characters and the column takes {limit}.")
        return value

    return cast


def clean(value: str) -> str:
    """Return text that PostgreSQL can hold.

    :raises CastError: for a NUL character or invalid UTF-8.
    """
    if "\x00" in value:
        raise CastError("nul_in_text", "The text holds a NUL character, which PostgreSQL's text cannot.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CastError("invalid_utf8", "The text is no valid UTF-8.") from None
    return value


def number_text(value: int | float) -> str:
    """Return the shortest decimal text that reads back as the same number."""
    return repr(value)
