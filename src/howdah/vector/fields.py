"""What the compiled loader is told of each target column: how its values are made where that is simple."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from howdah import casts
from howdah.casts.clocks import CLOCKS
from howdah.casts.temporal import MICROSECONDS
from howdah.plan import ColumnPlan, TablePlan
from howdah.rowcast import RowCast
from howdah.vector import binary


class Kind(IntEnum):
    """How a field is made; the numbers are those of ``native/field.h``."""

    UNDECIDED = 0
    TEXT = 1
    INTEGER = 2
    BOOLEAN = 3
    FLOAT = 4
    NUMERIC = 5
    UUID = 6
    KEPT = 7
    JSON = 8
    JSONB = 9
    BYTEA = 10
    TIMESTAMP = 11
    DATE = 12
    TIME = 13


_KINDS = {
    "text": Kind.TEXT,
    "integer": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
    "float": Kind.FLOAT,
    "numeric": Kind.NUMERIC,
    "uuid": Kind.UUID,
    "uuid5": Kind.UUID,
    "uuid_blob": Kind.UUID,
    "uuid5_kept": Kind.KEPT,
    "bytea": Kind.BYTEA,
    "time": Kind.TIME,
}
_MOMENTS = {"timestamptz": Kind.TIMESTAMP, "timestamp": Kind.TIMESTAMP, "date": Kind.DATE}
_DOCUMENTS = {"json": Kind.JSON, "jsonb": Kind.JSONB}


# Of pg_type.dat. Of these types the server sends a value as it was received, or as jsonb in its own order.
_OIDS = {
    "bool": 16,
    "bytea": 17,
    "int8": 20,
    "int2": 21,
    "int4": 23,
    "text": 25,
    "json": 114,
    "float4": 700,
    "float8": 701,
    "varchar": 1043,
    "date": 1082,
    "time": 1083,
    "timestamp": 1114,
    "timestamptz": 1184,
    "uuid": 2950,
    "jsonb": 3802,
}


@dataclass(frozen=True)
class Field:
    """A field of a COPY row.

    :ivar place: of the source's column; −1: there is none.
    :ivar width: bytes of an integer or a float.
    :ivar limit: characters of a text, or −1.
    :ivar padded: the type is char(n).
    :ivar blobs: a UUID may be a BLOB of 16 bytes.
    :ivar precision: of a numeric, or −1; with ``scale``.
    :ivar grain: microseconds that a moment is whole multiples of.
    :ivar zoned: a moment may name its time zone.
    :ivar factor: microseconds per unit of a number that stands for a moment, or 0.
    :ivar first: numbers from here to below ``last`` stand for moments.
    :ivar stand_in: what stands for NULL, in its binary form.
    """

    place: int
    kind: Kind
    width: int = 0
    limit: int = -1
    padded: bool = False
    blobs: bool = False
    precision: int = -1
    scale: int = 0
    grain: int = 1
    zoned: bool = False
    factor: int = 0
    first: float = -math.inf
    last: float = math.inf
    required: bool = False
    stand_in: bytes | None = None


def fields(plan: TablePlan, cast: RowCast) -> tuple[Field, ...]:
    """Return a field for each column of a plan, in their order."""
    places = {column.name: place for place, column in enumerate(plan.table.columns)}
    return tuple(field(column, places.get(column.source, -1), cast.casts[column.target]) for column in plan.columns)


def oids(plan: TablePlan) -> tuple[int, ...] | None:
    """Return the types of a plan's columns where it is known how the server sends all of them, or ``None``."""
    found = tuple(_OIDS.get(column.type.name, 0) if column.type.kind == "b" else 0 for column in plan.columns)
    return found if found and all(found) else None


def field(plan: ColumnPlan, place: int, cast: casts.Cast) -> Field:
    """Return the field of one column.

    :param place: of the source's column; −1: there is none.
    :param cast: of one value.
    """
    kind = plan.type
    unit = plan.cast if plan.cast in CLOCKS else plan.option("unit")
    clock = CLOCKS[unit] if unit in MICROSECONDS and "strict" in dict(plan.options) else None
    digits = 6 if kind.precision is None else kind.precision
    value = plan.option("value")
    text = cast(value) if value else None
    return Field(
        place=place,
        kind=_kind(plan),
        width=binary.WIDTHS.get(kind.name, 0),
        limit=-1 if kind.length is None or kind.kind == "e" else kind.length,
        padded=kind.name == "bpchar",
        blobs=plan.cast == "uuid_blob",
        precision=-1 if kind.name != "numeric" or kind.precision is None else kind.precision,
        scale=(kind.scale or 0) if kind.name == "numeric" else 0,
        grain=10 ** (6 - digits) if kind.name in ("timestamptz", "timestamp", "time") else 1,
        zoned=kind.name == "timestamptz" or plan.cast == "text_utc" or bool(unit),
        factor=MICROSECONDS.get(unit, 0),
        first=clock.first if clock else -math.inf,
        last=clock.last if clock else math.inf,
        required=plan.required,
        stand_in=None if text is None else binary.encoder(kind)(text),
    )


def _kind(plan: ColumnPlan) -> Kind:
    if not plan.source:
        return Kind.UNDECIDED
    if plan.cast in ("moment", "text_utc", *CLOCKS):
        return _MOMENTS.get(plan.type.name, Kind.UNDECIDED)
    if plan.cast == "json":
        return _DOCUMENTS[plan.type.name]
    return _KINDS.get(plan.cast, Kind.UNDECIDED)
