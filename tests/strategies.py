"""Hypothesis strategies that several tests share."""

from __future__ import annotations

from hypothesis import strategies as st

from howdah import typemap
from howdah.catalog.model import TargetType

INT4, INT2 = TargetType("int4", "integer"), TargetType("int2", "smallint")
MONEY = TargetType("numeric", "numeric(10,2)", precision=10, scale=2)
REAL = TargetType("float4", "real")
CHAR = TargetType("bpchar", "character(5)", length=5)
SHORT = TargetType("varchar", "character varying(3)", length=3)
JSON = TargetType("json", "json")
TIME = TargetType("time", "time without time zone")

declarations = st.sampled_from(
    ["", "INTEGER", "INT", "BOOLEAN", "REAL", "DOUBLE PRECISION", "TEXT", "VARCHAR(20)", "BLOB", "NUMERIC", "DATETIME"]
)
"""Declared types, several of every affinity."""

_numbers = [0, 1, -1, -(2**63), 2**63 - 1, 2**53 + 1, 0.0, -0.0, 1.0, 0.5, 0.1, 1e22, 2.0**62, -(2.0**63), 2.0**63]
_extremes = [float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, 1_700_000_000, 1_700_000_000.25]
_words = [
    "",
    " ",
    "0",
    "1",
    "007",
    "1.50",
    "1e5",
    "t",
    "true",
    "YES",
    "abc",
    "Größe",
    "a\x00b",
    "NaN",
    "null",
    "[1, 2]",
]
_times = ["2024-02-29", "2024-02-29 10:11:12", "2024-02-29T10:11:12.5Z", "2024-02-29 00:00", "10:11:12", "10:11"]
_uuids = ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"b": 1, "a": 2}', "123"]
_blobs = [b"", b"\x00\xff", bytes(range(16))]
awkward = st.sampled_from([*_numbers, *_extremes, *_words, *_times, *_uuids, *_blobs])
"""Values at which conversions have gone wrong."""

values = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.floats(allow_nan=False, width=32)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.binary(max_size=20)
    | awkward
)
"""Whatever a column of SQLite may be given."""

_numeric = [typemap.BIGINT, INT4, INT2, typemap.DOUBLE, REAL, typemap.NUMERIC, MONEY, typemap.BOOLEAN]
_textual = [typemap.TEXT, SHORT, CHAR, JSON, typemap.JSONB, typemap.UUID, typemap.BYTEA]
_temporal = [TIME, typemap.DATE, typemap.TIMESTAMP, typemap.TIMESTAMPTZ]
targets = st.sampled_from([*_numeric, *_textual, *_temporal])
"""Types that howdah has a cast to."""
