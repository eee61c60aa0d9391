"""What a declared type, or a name, says about a column."""

from __future__ import annotations

import re
from functools import lru_cache

from howdah import identifiers

_TIME_WORDS = re.compile(
    "date|datetime|time|timestamp|ts|utc|created|updated|modified|changed|deleted|added|published|started|finished|"
    "expires|expired|expiry|expiration|birthday|dob|atime|mtime|ctime|when|since|until|visited|accessed"
)
# What a longer word ends in, as in ZCREATIONDATE and lastvisittime; but not update, runtime and the like.
_TIME_ENDING = re.compile("(?:date|timestamp|datetime|time)$")
_NO_TIME = re.compile("(?:update|candidate|mandate|validate|runtime|lifetime|uptime|downtime|overtime)$")
_MONEY_WORDS = re.compile(
    "price|amount|cost|total|subtotal|balance|fee|salary|wage|payment|paid|tax|vat|discount|revenue|money|cash"
)

# Thousands of sources may have the same few columns, and each is asked about several times.
_remembered = lru_cache(maxsize=1 << 12)


@_remembered
def declared_precision(declared: str) -> tuple[int, int]:
    """Return precision and scale of ``DECIMAL(p, s)`` and the like, ``(0, 0)`` where there is none.

    >>> declared_precision("NUMERIC(10, 2)"), declared_precision("decimal(8)"), declared_precision("REAL")
    ((10, 2), (8, 0), (0, 0))
    """
    word, _, rest = declared.partition("(")
    if word.strip().upper() not in ("NUMERIC", "DECIMAL", "DEC", "NUMBER") or not rest.rstrip().endswith(")"):
        return (0, 0)
    parts = [part.strip() for part in rest.rstrip()[:-1].split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) > 2:
        return (0, 0)
    precision, scale = int(parts[0]), int(parts[1]) if len(parts) == 2 else 0
    return (precision, scale) if 0 < precision <= 1000 and scale <= precision else (0, 0)


@_remembered
def declared_length(declared: str) -> int | None:
    """Return the characters that ``VARCHAR(n)`` and the like take, ``None`` without a limit PostgreSQL knows.

    >>> declared_length("NVARCHAR(160)"), declared_length("varchar(max)"), declared_length("TEXT")
    (160, None, None)
    """
    found = re.search(r"CHAR[A-Z ]*\(\s*([0-9]{1,8})\s*\)", declared.upper())
    # 10,485,760 is PostgreSQL's own limit for varchar(n).
    return int(found[1]) if found and 0 < int(found[1]) <= 10_485_760 else None


@_remembered
def is_uuid(declared: str) -> bool:
    """Return whether a declared type is one of UUIDs."""
    return declared.strip().upper() in ("UUID", "GUID", "UNIQUEIDENTIFIER")


@_remembered
def declares_time(declared: str) -> bool:
    """Return whether a declared type speaks of a date or time.

    >>> declares_time("DATETIME"), declares_time("timestamp with time zone"), declares_time("INTEGER")
    (True, True, False)
    """
    return bool(re.search("DATE|TIME", declared.upper()))


@_remembered
def speaks_of_time(name: str) -> bool:
    """Return whether a column's name speaks of a moment; that alone decides nothing.

    >>> [speaks_of_time(n) for n in ("created_at", "ZCREATIONDATE", "lastVisitTime", "expires_utc", "TS")]
    [True, True, True, True, True]
    >>> [speaks_of_time(n) for n in ("update_count", "candidate", "runtime", "format", "points", "timeout")]
    [False, False, False, False, False, False]
    """
    words = identifiers.snake(name).split("_")
    if words[-1] in ("at", "on") and words != ["on"]:
        return True
    return any(_TIME_WORDS.fullmatch(w) or (_TIME_ENDING.search(w) and not _NO_TIME.search(w)) for w in words)


@_remembered
def speaks_of_money(name: str) -> bool:
    """Return whether a column's name speaks of money.

    >>> speaks_of_money("UnitPrice"), speaks_of_money("order_total"), speaks_of_money("latency")
    (True, True, False)
    """
    return any(_MONEY_WORDS.fullmatch(word) for word in identifiers.snake(name).split("_"))
