"""What every cast is: one SQLite value in, PostgreSQL's text of it out, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable

SqliteValue = int | float | str | bytes
"""A value that is not NULL, as Python's sqlite3 reads it; text that is no UTF-8 carries surrogate escapes."""

Cast = Callable[[SqliteValue], str | None]
"""Returns PostgreSQL's text of the value, ``None`` for NULL, or raises :class:`CastError`."""


class CastError(ValueError):
    """A value that does not fit, so its row goes to quarantine.

    :param code: machine word for the reason, stable between versions.
    :param reason: one sentence for a person; it names no value, as reports leave the house and data should
        not.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def storage_class(value: SqliteValue) -> str:
    """Return SQLite's name for the storage class of a value."""
    if isinstance(value, bool | int):
        return "INTEGER"
    if isinstance(value, float):
        return "REAL"
    return "TEXT" if isinstance(value, str) else "BLOB"


def mismatch(value: SqliteValue, wanted: str) -> CastError:
    """Return the error for a value of the wrong storage class."""
    return CastError("storage_class", f"A value of storage class {storage_class(value)} stands where {wanted} belongs.")
