"""What SQLite must hold for what PostgreSQL says; of another storage class it is another value."""

from __future__ import annotations

import uuid

import pytest

from howdah import typemap
from howdah.catalog.model import TargetType
from howdah.export.expect import expected, found
from howdah.export.values import Column, Mapped

INET = TargetType("inet", "inet")
SPACE = "6f1f0000-0000-4000-8000-000000000001"


def column(kind, storage, affinity="BLOB", unit="", mapped=None):
    return Column("c", "c", kind, storage, affinity, unit, mapped=mapped)


EQUAL = [
    (column(typemap.BIGINT, "integer"), "7", 7),
    (column(typemap.BIGINT, "real", "REAL"), "7", 7.0),
    (column(typemap.BIGINT, "text", "TEXT"), "7", "7"),
    (column(typemap.BOOLEAN, "integer", "NUMERIC"), "true", 1),
    (column(typemap.BOOLEAN, "text", "TEXT"), "false", "false"),
    (column(typemap.DOUBLE, "real"), "1e+22", 1e22),
    (column(typemap.DOUBLE, "real"), "-0", -0.0),
    (column(typemap.DOUBLE, "real", "REAL"), "-0", 0.0),
    (column(typemap.DOUBLE, "number"), "3", 3),
    (column(typemap.DOUBLE, "real"), "NaN", "NaN"),
    (column(typemap.NUMERIC, "number"), "1.50", 1.5),
    (column(typemap.NUMERIC, "text", "TEXT"), "1.50", "1.50"),
    (column(typemap.NUMERIC, "real"), "1e400", "1e400"),
    (column(typemap.UUID, "blob"), str(uuid.UUID(int=7)), uuid.UUID(int=7).bytes),
    (column(typemap.JSONB, "text", "NUMERIC"), "12", 12),
    (column(typemap.TIMESTAMPTZ, "text"), "2024-01-01 00:00:00+00", "2024-01-01 00:00:00+00:00"),
    (column(typemap.TIMESTAMPTZ, "number", "INTEGER", "epoch_s"), "2024-01-01 00:00:00+00", 1_704_067_200),
    (column(typemap.TIMESTAMP, "real", "REAL", "apple_s"), "2001-01-01 00:00:00.5", 0.5),
    (column(typemap.TIMESTAMPTZ, "real", "REAL", "julian"), "2024-01-01 00:00:00.0004+00", 2_460_310.5),
    (column(typemap.DATE, "number", "BLOB", "epoch_s"), "infinity", "infinity"),
    (column(typemap.TEXT, "text", "NUMERIC"), "7", 7),
    (column(INET, "text", "TEXT"), "10.0.0.1/8", "10.0.0.1/8"),
]
DIFFERENT = [
    (column(typemap.BIGINT, "integer"), "7", 7.0),
    (column(typemap.BIGINT, "integer"), "7", "7"),
    (column(typemap.BIGINT, "integer"), "7", b"7"),
    (column(typemap.BOOLEAN, "integer", "NUMERIC"), "true", "true"),
    (column(typemap.BOOLEAN, "integer", "NUMERIC"), "true", 2),
    (column(typemap.DOUBLE, "real"), "3", 3),
    (column(typemap.DOUBLE, "real"), "0", -0.0),
    (column(typemap.DOUBLE, "number"), "3", 3.0),
    (column(typemap.DOUBLE, "real"), "0.1", "0.1"),
    (column(typemap.NUMERIC, "number"), "1.5", "1.5"),
    (column(typemap.NUMERIC, "number"), "123456789012345678.5", 123456789012345678.5),
    (column(typemap.TEXT, "text", "TEXT"), "7", 7),
    (column(typemap.TEXT, "text", "TEXT"), "7", b"7"),
    (column(typemap.TEXT, "text", "NUMERIC"), "007", 7),
    (column(typemap.TEXT, "text", "REAL"), "7", 7.0),
    (column(typemap.BYTEA, "blob"), "\\x37", "7"),
    (column(typemap.TIMESTAMPTZ, "number", "INTEGER", "epoch_s"), "2024-01-01 00:00:00+00", "1704067200"),
    (column(typemap.TIMESTAMPTZ, "number", "INTEGER", "epoch_ms"), "2024-01-01 00:00:00+00", 1_704_067_200),
    (column(typemap.JSONB, "text", "TEXT"), "12", 12),
]


def alike(spec, held, kept):
    one, other = (rule(value) if rule else value for rule, value in ((expected(spec), held), (found(spec), kept)))
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.mark.parametrize(("spec", "held", "kept"), EQUAL)
def test_equal(spec, held, kept):
    assert alike(spec, held, kept)


@pytest.mark.parametrize(("spec", "held", "kept"), DIFFERENT)
def test_different(spec, held, kept):
    assert not alike(spec, held, kept)


def test_a_mapped_identifier_is_what_it_maps_to():
    spec = column(typemap.UUID, "text", "TEXT", mapped=Mapped(SPACE))
    mapped = str(uuid.uuid5(uuid.UUID(SPACE), "prompt_17"))
    assert alike(spec, mapped, "prompt_17")
    assert alike(spec, mapped, mapped)
    assert not alike(spec, mapped, "prompt_18")
