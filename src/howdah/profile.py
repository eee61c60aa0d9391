"""What the values of each column really are: the evidence that types and casts are decided by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from howdah.plain import plain
from howdah.shared import Shared

# Raised whenever what is measured changes, so that a profile kept in the ledger is not misread.
VERSION = 2


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Counts over the rows of one column that were read.

    What a declaration (or a name that speaks of time) gives no reason to look for is not measured, and 0.

    :ivar rows: rows read: all of the table, unless it was sampled.
    :ivar integers: values of storage class INTEGER; ``reals``, ``texts`` and ``blobs`` likewise.
    :ivar smallest: smallest number (integer or real), ``None`` without numbers; ``largest`` likewise.
    :ivar longest: characters of the longest text, where the declaration limits them.
    :ivar truths: integers that are 0 or 1, where the declaration speaks of booleans.
    :ivar words: texts that spell a boolean, there.
    :ivar days: texts that are an ISO 8601 day by their shape, where the declaration speaks of a date or time.
    :ivar moments: texts with a time of day as well, there.
    :ivar zoned: those of ``moments`` that name a zone.
    :ivar uuids: texts in the shape of a UUID, where the declaration speaks of one.
    :ivar documents: texts that are JSON to SQLite, where the declaration speaks of it.
    :ivar fitting: numbers that fit the declared precision and scale, where the declaration has one.
    :ivar cents: reals with at most two decimals, where the name speaks of money.
    :ivar negative_zeros: where integers and reals share a column.
    :ivar readings: clock (:mod:`howdah.casts.clocks`) → numbers that speak for it; those of Apple and Julian days only
        where the declaration or the name speaks of time.
    :ivar finer: numbers that speak for a clock and are finer than a microsecond by it.
    :ivar fractions: numbers with a fraction, where some speak for a clock.
    :ivar core_data: the column is a TIMESTAMP of Apple's Core Data, which counts from 2001.
    """

    name: str
    rows: int
    nulls: int = 0
    integers: int = 0
    reals: int = 0
    texts: int = 0
    blobs: int = 0
    smallest: float | int | None = None
    largest: float | int | None = None
    longest: int = 0
    truths: int = 0
    words: int = 0
    days: int = 0
    moments: int = 0
    zoned: int = 0
    uuids: int = 0
    documents: int = 0
    fitting: int = 0
    cents: int = 0
    negative_zeros: int = 0
    readings: Mapping[str, int] = field(default_factory=dict, hash=False)
    finer: int = 0
    fractions: int = 0
    core_data: bool = False

    @property
    def filled(self) -> int:
        """Return how many values are not NULL."""
        return self.rows - self.nulls

    @property
    def classes(self) -> dict[str, int]:
        """Return how many values there are of each storage class, of those that occur; ``null`` is one."""
        counts = {"integer": self.integers, "real": self.reals, "text": self.texts, "blob": self.blobs}
        return {name: count for name, count in (counts | {"null": self.nulls}).items() if count}

    @property
    def numbers(self) -> int:
        """Return how many values are integers or reals."""
        return self.integers + self.reals


@dataclass(frozen=True, slots=True)
class TableProfile:
    """The profile of every column of one table.

    :ivar rows: rows of the table, counted.
    :ivar sampled: rows that the columns' counts are of, when the user asked for a sample; ``None``: all.
    """

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    sampled: int | None = None

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of a column."""
        return next(column for column in self.columns if column.name == name)


Profile = dict[str, TableProfile]
"""Table name → profile."""


def to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON-ready values but for an iterator over its tables, to be kept in the ledger."""
    # Bounds as text: JSON has no Infinity, and jsonb does not tell 1e22 from its integer.
    return {
        "version": VERSION,
        "tables": (
            {
                "table": table.table,
                "rows": table.rows,
                "columns": [plain(c) | {name: _written(getattr(c, name)) for name in _BOUNDS} for c in table.columns],
            }
            for table in profile.values()
        ),
    }


def from_json(value: dict[str, Any] | None) -> Profile | None:
    """Return a kept profile, or ``None`` when another version of howdah made it."""
    if not value or value.get("version") != VERSION:
        return None
    shared = Shared()
    return {
        table["table"]: TableProfile(
            table["table"],
            table["rows"],
            tuple(
                shared_profile(shared, ColumnProfile(**c | {name: _number(c[name]) for name in _BOUNDS}))
                for c in table["columns"]
            ),
        )
        for table in value["tables"]
    }


def shared_profile(shared: Shared, column: ColumnProfile) -> ColumnProfile:
    """Return the profile, or one that equals it to the last bit of its bounds."""
    return shared(column, *(_written(getattr(column, name)) for name in _BOUNDS))


_BOUNDS = ("smallest", "largest")


def _written(value: float | int | None) -> str | None:
    return None if value is None else repr(value)


def _number(text: str | None) -> float | int | None:
    if text is None:
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)
