"""UUIDs, and identifiers that are none."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from howdah.casts.base import Cast, CastError, SqliteValue, mismatch
from howdah.casts.text import clean

# What PostgreSQL's uuid_in takes: hexadecimal digits, a hyphen allowed after each group of four, braces
# around.
_ACCEPTED = re.compile(
    r"\{(?P<braced>[0-9a-f]{4}(?:-?[0-9a-f]{4}){7})\}|(?P<plain>[0-9a-f]{4}(?:-?[0-9a-f]{4}){7})", re.I | re.A
)


def parse(text: str) -> str | None:
    """Return the canonical spelling of a UUID in any spelling PostgreSQL accepts, or ``None``.

    >>> parse("{A0EEBC999C0B4EF8BB6D6BB9BD380A11}")
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
    >>> parse("p-17") is None
    True
    """
    found = _ACCEPTED.fullmatch(text)
    if not found:
        return None
    digits = (found["braced"] or found["plain"]).replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def strict(value: SqliteValue) -> str:
    """Cast text that is a UUID; nothing else.

    A column declared ``UUID`` has NUMERIC affinity: some UUIDs were stored as numbers, and their text is
    gone.
    """
    if not isinstance(value, str):
        raise mismatch(value, "a UUID")
    found = parse(value)
    if found is None:
        raise CastError("not_uuid", "The text is no UUID.")
    return found


def blob(value: SqliteValue) -> str:
    """Cast a BLOB of 16 bytes, or text that is a UUID. Opt-in: big-endian is the caller's word."""
    if isinstance(value, bytes):
        if len(value) != 16:
            raise CastError("not_uuid", f"The BLOB has {len(value)} bytes, and a UUID has 16.")
        return str(UUID(bytes=value))
    return strict(value)


def mapped(namespace: UUID, notes: list[int]) -> Cast:
    """Return the cast that keeps UUIDs and maps every other text to ``uuid5(namespace, text)``.

    The same text gives the same UUID in keys and in references, in every table, in every run.

    :param notes: its first element counts the texts that were mapped.
    """
    known: dict[str, str] = {}

    def cast(value: SqliteValue) -> str:
        if not isinstance(value, str):
            raise mismatch(value, "an identifier")
        found = known.get(value)
        if found is None:
            found = parse(value)
            if found is not None:
                return found
            found = str(uuid5(namespace, named(value)))
            # SHA-1 costs more than everything else here, and references repeat; a bound keeps memory flat.
            if len(known) < 100_000:
                known[value] = found
        notes[0] += 1
        return found

    return cast


def kept(value: SqliteValue) -> str | None:
    """Cast to the original text where :func:`mapped` replaces it, and to NULL where it does not."""
    if not isinstance(value, str):
        raise mismatch(value, "an identifier")
    return named(value) if parse(value) is None else None


def named(value: str) -> str:
    """Return text that can name something.

    :raises CastError: for the empty text, NUL and invalid UTF-8.
    """
    if not value:
        raise CastError("empty_identifier", "An empty text identifies nothing.")
    return clean(value)
