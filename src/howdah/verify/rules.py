"""What the compiled verifier is told of each column: how a source value is read, and how PostgreSQL's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from howdah.plan import ColumnPlan, TablePlan
from howdah.verify.expect import Expectation, UnexpectedError, clock_of, grain_of, ticks_of


class Expected(IntEnum):
    """What a source value must become; the numbers are those of ``native/expected.h``."""

    TEXT = 0
    PADDED = 1
    JSON = 2
    INTEGER = 3
    BOOLEAN = 4
    DOUBLE = 5
    SINGLE = 6
    NUMERIC = 7
    UUID = 8
    UUID_BYTES = 9
    KEPT = 10
    BYTEA = 11
    ZONED = 12
    LOCAL = 13
    DATE = 14
    TIME = 15
    JSONB = 16


class Stored(IntEnum):
    """How PostgreSQL's binary form is read; the numbers are those of ``native/stored.h``."""

    TEXT = 0
    PADDED = 1
    INTEGER = 2
    BOOLEAN = 3
    DOUBLE = 4
    SINGLE = 5
    NUMERIC = 6
    UUID = 7
    BYTEA = 8
    ZONED = 9
    LOCAL = 10
    DATE = 11
    TIME = 12
    JSONB = 13


_KINDS = {
    **dict.fromkeys(("text", "varchar", "citext", "name"), (Expected.TEXT, Stored.TEXT)),
    **dict.fromkeys(("int2", "int4", "int8"), (Expected.INTEGER, Stored.INTEGER)),
    "bpchar": (Expected.PADDED, Stored.PADDED),
    "json": (Expected.JSON, Stored.TEXT),
    "jsonb": (Expected.JSONB, Stored.JSONB),
    "bool": (Expected.BOOLEAN, Stored.BOOLEAN),
    "float8": (Expected.DOUBLE, Stored.DOUBLE),
    "float4": (Expected.SINGLE, Stored.SINGLE),
    "numeric": (Expected.NUMERIC, Stored.NUMERIC),
    "uuid": (Expected.UUID, Stored.UUID),
    "bytea": (Expected.BYTEA, Stored.BYTEA),
    "timestamptz": (Expected.ZONED, Stored.ZONED),
    "timestamp": (Expected.LOCAL, Stored.LOCAL),
    "date": (Expected.DATE, Stored.DATE),
    "time": (Expected.TIME, Stored.TIME),
}
_BY_CAST = {"uuid_blob": Expected.UUID_BYTES, "uuid5_kept": Expected.KEPT}


@dataclass(frozen=True)
class Rule:
    """How the values of one column are derived.

    :ivar place: of the source's column, from 0; −1: there is none.
    :ivar ticks: per second, of numbers that are moments; 0: numbers are none, or not decided.
    :ivar start: of those numbers, in microseconds since 2000-01-01.
    :ivar grain: microseconds that moments are cut to; 0: they are not.
    :ivar missing: what NULL becomes, in the canonical encoding.
    """

    place: int
    kind: Expected
    missing: bytes
    ticks: int = 0
    start: int = 0
    grain: int = 0


def kinds_of(plan: TablePlan) -> list[Stored] | None:
    """Return how the target's columns are read, or ``None`` where one has a type without a rule."""
    kinds = [_kinds(column) for column in plan.columns]
    return None if None in kinds else [kind[1] for kind in kinds if kind]


def rules_of(plan: TablePlan) -> list[Rule] | None:
    """Return the rule of each column, or ``None`` where there is none for one of them."""
    names = [column.name for column in plan.table.columns]
    try:
        missing = Expectation(plan).fields((None,) * len(names))
    except UnexpectedError:
        return None
    rules = []
    for column, nothing in zip(plan.columns, missing, strict=True):
        kinds, clock = _kinds(column), clock_of(column)
        if kinds is None:
            return None
        ticks, start = ticks_of(clock) if clock and clock != "julian" else (0, 0)
        place = names.index(column.source) if column.source else -1
        rules.append(Rule(place, _BY_CAST.get(column.cast, kinds[0]), nothing, ticks, start, grain_of(column)))
    return rules


def _kinds(column: ColumnPlan) -> tuple[Expected, Stored] | None:
    if column.type.kind == "e":
        return Expected.TEXT, Stored.TEXT
    return _KINDS.get(column.type.name)
