"""Declared types of SQLite, and the evidence of the values, turned into PostgreSQL types."""

from __future__ import annotations

import re
from dataclasses import dataclass

from howdah.catalog.model import SourceColumn, TargetType
from howdah.declared import declared_length, declared_precision, speaks_of_time
from howdah.profile import ColumnProfile
from howdah.timekeeping import clock_of, rivals

TEXT = TargetType("text", "text")
BIGINT = TargetType("int8", "bigint")
DOUBLE = TargetType("float8", "double precision")
NUMERIC = TargetType("numeric", "numeric")
BYTEA = TargetType("bytea", "bytea")
BOOLEAN = TargetType("bool", "boolean")
UUID = TargetType("uuid", "uuid")
JSONB = TargetType("jsonb", "jsonb")
DATE = TargetType("date", "date")
TIMESTAMP = TargetType("timestamp", "timestamp without time zone")
TIMESTAMPTZ = TargetType("timestamptz", "timestamp with time zone")

# Beyond it a double no longer counts every integer.
_EXACT = 1 << 53


@dataclass(frozen=True)
class Choice:
    """A type, and why it is not the one that the declaration suggests (empty when it is)."""

    type: TargetType
    reason: str = ""


def choose(column: SourceColumn, profile: ColumnProfile) -> Choice:
    """Return the PostgreSQL type for a column, so that its values fit it unchanged wherever they agree.

    The declaration leads; where most values contradict it the evidence does. A minority that does not fit is
    left to quarantine: the type of a whole column is not decided by a few bad rows.
    """
    declared = column.declared.upper()
    word = re.sub(r"\(.*", "", declared).strip()
    if not profile.filled:
        return Choice(_declared(word, declared))
    for family in (_boolean, _uuid, _json, _temporal, _exact):
        choice = family(word, declared, profile)
        if choice is not None:
            return choice
    # A key identifies; what it counts does not matter.
    if speaks_of_time(column.name) and not column.key_position and _told_by_one_clock(profile, profile.filled):
        return Choice(TIMESTAMPTZ, "its name speaks of time, and every number is a moment of our time by one clock")
    if "INT" in word:
        return _integer(profile)
    if any(part in word for part in ("CHAR", "CLOB", "TEXT", "STRING")):
        return _text(declared, profile)
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return Choice(DOUBLE) if _mostly(profile.numbers, profile) else _evidence(profile)
    if "BLOB" in word or word in ("BYTEA", "BINARY", "VARBINARY"):
        return Choice(BYTEA) if _mostly(profile.blobs, profile) else _evidence(profile)
    return _evidence(profile)


def _declared(word: str, declared: str) -> TargetType:
    """Return the type of a column without values: what the declaration says is all there is."""
    precision, scale = declared_precision(declared)
    if word in ("BOOL", "BOOLEAN"):
        return BOOLEAN
    if word in ("UUID", "GUID", "UNIQUEIDENTIFIER"):
        return UUID
    if word in ("JSON", "JSONB"):
        return JSONB
    if word == "DATE":
        return DATE
    if word.startswith("TIMESTAMP") or word == "DATETIME":
        return TIMESTAMPTZ if word in ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") else TIMESTAMP
    if precision:
        return TargetType("numeric", f"numeric({precision},{scale})", precision=precision, scale=scale)
    if word in ("NUMERIC", "DECIMAL", "DEC", "NUMBER"):
        return NUMERIC
    if "INT" in word:
        return BIGINT
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return DOUBLE
    if "BLOB" in word or word in ("BYTEA", "BINARY", "VARBINARY"):
        return BYTEA
    length = declared_length(declared)
    return _varchar(length) if length else TEXT


def _mostly(count: int, profile: ColumnProfile) -> bool:
    return count * 2 > profile.filled


def _boolean(word: str, _: str, profile: ColumnProfile) -> Choice | None:
    if word not in ("BOOL", "BOOLEAN"):
        return None
    if _mostly(profile.truths + profile.words, profile):
        return Choice(BOOLEAN)
    return None


def _uuid(word: str, _: str, profile: ColumnProfile) -> Choice | None:
    if word in ("UUID", "GUID", "UNIQUEIDENTIFIER") and _mostly(profile.uuids, profile):
        return Choice(UUID)
    return None


def _json(word: str, _: str, profile: ColumnProfile) -> Choice | None:
    if word not in ("JSON", "JSONB") or _mostly(profile.blobs, profile):
        return None
    if profile.texts and not _mostly(profile.documents + profile.numbers, profile):
        return Choice(TEXT, "most of its texts are no JSON")
    return Choice(JSONB)


def _temporal(word: str, _: str, profile: ColumnProfile) -> Choice | None:
    if not (word == "DATE" or word.startswith("TIMESTAMP") or word == "DATETIME"):
        return None
    if profile.finer * 2 > profile.filled:
        stays = _evidence(profile)
        return Choice(
            stays.type, "most of its moments are finer than PostgreSQL's microseconds, so they stay as they are"
        )
    if profile.texts == profile.filled and _mostly(profile.days + profile.moments, profile):
        if word == "DATE" and _mostly(profile.days, profile) and not profile.moments:
            return Choice(DATE)
        # Some with a zone and some without: nobody knows what the latter meant.
        if profile.zoned and profile.zoned < profile.moments:
            return Choice(TEXT, "some texts have a time zone and some have none, so it stays text")
        return Choice(TIMESTAMPTZ if profile.zoned else TIMESTAMP)
    # A few strays, such as 0 for no moment, do not decide the type of a column.
    if profile.numbers == profile.filled and _told_by_one_clock(profile, profile.filled * 9 // 10):
        return Choice(TIMESTAMPTZ)
    stays = _evidence(profile)
    return Choice(stays.type, "its values are not of one unambiguous time format, so they stay as they are")


def _told_by_one_clock(profile: ColumnProfile, least: int) -> bool:
    """Return whether all values are numbers, and at least so many are moments by a clock that has no rival."""
    clock = clock_of(profile)
    told = profile.readings.get(clock, 0) - profile.finer
    return profile.numbers == profile.filled and told >= max(least, 1) and not rivals(profile, clock)


def _exact(word: str, declared: str, profile: ColumnProfile) -> Choice | None:
    if word not in ("NUMERIC", "DECIMAL", "DEC", "NUMBER", "MONEY"):
        return None
    if not _mostly(profile.numbers, profile):
        return _evidence(profile)
    precision, scale = declared_precision(declared)
    if precision and profile.fitting == profile.numbers:
        return Choice(TargetType("numeric", f"numeric({precision},{scale})", precision=precision, scale=scale))
    if precision:
        return Choice(
            NUMERIC,
            f"{profile.numbers - profile.fitting} numbers exceed {declared}, so it is numeric without limits",
        )
    return Choice(NUMERIC)


def _integer(profile: ColumnProfile) -> Choice:
    if not _mostly(profile.numbers, profile):
        return _evidence(profile)
    if profile.reals * 2 > profile.filled or (profile.reals and not profile.integers):
        return _evidence(profile)
    return Choice(BIGINT)


def _text(declared: str, profile: ColumnProfile) -> Choice:
    if _mostly(profile.blobs, profile):
        return Choice(BYTEA, "most values are BLOBs")
    length = declared_length(declared)
    if length and profile.longest <= length:
        return Choice(_varchar(length))
    if length:
        return Choice(TEXT, f"texts of up to {profile.longest} characters exceed {declared}, so it is text")
    return Choice(TEXT)


def _evidence(profile: ColumnProfile) -> Choice:
    """Return the type that the values suggest, where the declaration says little or the wrong thing."""
    if profile.blobs * 2 > profile.filled:
        return Choice(BYTEA, "decided by its values")
    if profile.texts:
        return Choice(TEXT, "decided by its values")
    if not profile.reals:
        return Choice(BIGINT, "decided by its values")
    numbers = [abs(value) for value in (profile.smallest, profile.largest) if value is not None]
    if profile.integers and max(numbers) > _EXACT and not profile.negative_zeros:
        return Choice(NUMERIC, "decided by its values")
    return Choice(DOUBLE, "decided by its values")


def _varchar(length: int) -> TargetType:
    return TargetType("varchar", f"character varying({length})", length=length)
