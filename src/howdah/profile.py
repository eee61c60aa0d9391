"""What the values of each column really are; the evidence that types and casts are decided by."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from howdah.casts.numeric import fits
from howdah.catalog.model import SourceCatalog, SourceTable
from howdah.discover import quoted

# Raised whenever what is measured changes, so that a profile kept in the ledger is not misread.
VERSION = 1

# SQLite refuses more than 2,000 result columns and 1,000 LIKE/GLOB-sized expressions in one statement by
# default.
_COLUMNS_PER_QUERY = 40

_DAY = "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]"
_MINUTE = _DAY + "[ T][0-2][0-9]:[0-5][0-9]"


@dataclass(frozen=True)
class ColumnProfile:
    """Counts over all rows of one column.

    :ivar integers: values of storage class INTEGER; ``reals``, ``texts`` and ``blobs`` likewise.
    :ivar smallest: smallest number (integer or real), ``None`` without numbers; ``largest`` likewise.
    :ivar longest: characters of the longest text.
    :ivar truths: integers that are 0 or 1.
    :ivar days: texts like ``YYYY-MM-DD``; this and the next two are looked for where the declaration
        speaks of a date or time.
    :ivar moments: texts like ``YYYY-MM-DD HH:MM…`` (with ``T`` or space).
    :ivar zoned: those of ``moments`` that end in ``Z`` or an offset.
    :ivar uuids: texts of 36 characters shaped like a UUID, where the declaration speaks of one.
    :ivar seconds: numbers that are a moment between 1990 and 2100 as epoch seconds; ``milliseconds`` and
        ``microseconds`` likewise. The three ranges do not overlap.
    :ivar cents: reals with more than ``scale`` decimals cannot enter numeric(p,s); here: how many numbers fit
        the declared precision and scale, where the declaration has one.
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
    days: int = 0
    moments: int = 0
    zoned: int = 0
    uuids: int = 0
    seconds: int = 0
    milliseconds: int = 0
    microseconds: int = 0
    cents: int = 0
    negative_zeros: int = 0

    @property
    def filled(self) -> int:
        """Return how many values are not NULL."""
        return self.rows - self.nulls

    @property
    def numbers(self) -> int:
        """Return how many values are integers or reals."""
        return self.integers + self.reals


@dataclass(frozen=True)
class TableProfile:
    """The profile of every column of one table."""

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of a column."""
        return next(column for column in self.columns if column.name == name)


Profile = dict[str, TableProfile]
"""Table name → profile."""


def measure(connection: sqlite3.Connection, catalog: SourceCatalog) -> Profile:
    """Read every value of every table once, inside SQLite, and count."""
    connection.create_function("howdah_fits", 3, fits, deterministic=True)
    connection.create_function("howdah_negative_zero", 1, _negative_zero, deterministic=True)
    return {table.name: _table(connection, table) for table in catalog.tables}


def _table(connection: sqlite3.Connection, table: SourceTable) -> TableProfile:
    profiles: list[ColumnProfile] = []
    rows = 0
    for start in range(0, len(table.columns), _COLUMNS_PER_QUERY):
        part = table.columns[start : start + _COLUMNS_PER_QUERY]
        parts = [_aggregates(quoted(column.name), column.declared) for column in part]
        wanted = ", ".join(["count(*)", *(expression for group in parts for expression in group)])
        values = list(connection.execute(f"SELECT {wanted} FROM {quoted(table.name)}").fetchone())
        rows = values.pop(0)
        for column in part:
            taken, values = values[: len(_MEASURED)], values[len(_MEASURED) :]
            facts = {name: value or 0 for name, value in zip(_MEASURED, taken, strict=True)}
            facts["smallest"], facts["largest"] = (
                taken[_MEASURED.index("smallest")],
                taken[_MEASURED.index("largest")],
            )
            profiles.append(ColumnProfile(name=column.name, rows=rows, **facts))
    return TableProfile(table=table.name, rows=rows, columns=tuple(profiles))


_MEASURED = tuple(field.name for field in fields(ColumnProfile) if field.name not in ("name", "rows"))


def _aggregates(c: str, declared: str) -> Iterator[str]:
    """Yield one SQL aggregate per entry of ``_MEASURED``, in its order."""
    number = f"typeof({c}) IN ('integer', 'real')"
    text = f"typeof({c}) = 'text'"
    tail = f"substr({c}, 17)"
    yield f"sum({c} IS NULL)"
    for storage in ("integer", "real", "text", "blob"):
        yield f"sum(typeof({c}) = '{storage}')"
    yield f"min(CASE WHEN {number} THEN {c} END)"
    yield f"max(CASE WHEN {number} THEN {c} END)"
    yield f"max(CASE WHEN {text} THEN length({c}) END)"
    yield f"sum(typeof({c}) = 'integer' AND {c} IN (0, 1))"
    if not re.search("DATE|TIME", declared.upper()):
        yield from ("0", "0", "0")
    else:
        yield f"sum({text} AND {c} GLOB '{_DAY}')"
        yield f"sum({text} AND {c} GLOB '{_MINUTE}*')"
        zone = f"({tail} GLOB '*[Zz]' OR {tail} GLOB '*[+-][0-9][0-9]*')"
        yield f"sum({text} AND {c} GLOB '{_MINUTE}*' AND {zone})"
    named = re.search("UUID|GUID|UNIQUEIDENTIFIER", declared.upper())
    yield f"sum({text} AND length({c}) = 36 AND {c} GLOB '{_uuid_glob()}')" if named else "0"
    for factor in (1, 1_000, 1_000_000):
        yield f"sum({number} AND {c} >= {631152000 * factor} AND {c} < {4102444800 * factor})"
    precision, scale = declared_precision(declared)
    # Functions of ours see numbers only: text may be no UTF-8, which Python's sqlite3 cannot pass to them.
    yield f"sum(CASE WHEN {number} THEN howdah_fits({c}, {precision}, {scale}) END)" if precision else "0"
    yield f"sum(CASE WHEN typeof({c}) = 'real' AND {c} = 0 THEN howdah_negative_zero({c}) END)"


def _uuid_glob() -> str:
    return "-".join("[0-9A-Fa-f]" * count for count in (8, 4, 4, 4, 12))


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


def _negative_zero(value: float) -> bool:
    return value == 0 and str(value) == "-0.0"


def to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON-ready values, to be kept in the ledger."""
    # Bounds as text: JSON has no Infinity, and jsonb does not tell 1e22 from its integer.
    return {
        "version": VERSION,
        "tables": [
            {
                "table": table.table,
                "rows": table.rows,
                "columns": [asdict(c) | {name: _written(getattr(c, name)) for name in _BOUNDS} for c in table.columns],
            }
            for table in profile.values()
        ],
    }


def from_json(value: dict[str, Any] | None) -> Profile | None:
    """Return a kept profile, or ``None`` when another version of howdah made it."""
    if not value or value.get("version") != VERSION:
        return None
    return {
        table["table"]: TableProfile(
            table["table"],
            table["rows"],
            tuple(ColumnProfile(**c | {name: _number(c[name]) for name in _BOUNDS}) for c in table["columns"]),
        )
        for table in value["tables"]
    }


_BOUNDS = ("smallest", "largest")


def _written(value: float | int | None) -> str | None:
    return None if value is None else repr(value)


def _number(text: str | None) -> float | int | None:
    if text is None:
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)
