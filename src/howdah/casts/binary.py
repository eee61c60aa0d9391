"""bytea."""

from __future__ import annotations

from howdah.casts.base import SqliteValue, mismatch


def bytea(value: SqliteValue) -> str:
    """Cast a BLOB; text and numbers have an encoding that nobody stated."""
    if not isinstance(value, bytes):
        raise mismatch(value, "a BLOB")
    return "\\x" + value.hex()
