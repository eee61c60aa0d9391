"""The profile against a count in plain Python, and what it decides about time."""

from __future__ import annotations

import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howdah.casts.clocks import CLOCKS
from howdah.catalog.model import SourceCatalog, SourceColumn, SourceTable
from howdah.profile import from_json, to_json
from howdah.profiling import measure
from howdah.timekeeping import clock_of, rivals, shown

DECLARED = ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC(6,2)", "DATETIME", "BOOLEAN", "VARCHAR(3)", "JSON", "UUID"]
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 1_700_000_000, 1_700_000_000_000, 2_460_000])
REALS = st.floats(allow_nan=False) | st.sampled_from([-0.0, 0.5, 2_460_263.5, 700_000_000.25, 1_700_000_000.1234567])
TEXTS = (
    st.text(max_size=5)
    | st.sampled_from(
        ["true", "NO", "2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00Z", "{}", "[", "a\x00b", "1,234.50"]
    )
    | st.sampled_from(
        ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "2024-01-01\n2024-01-01"]
    )
)
VALUES = st.none() | NUMBERS | REALS | TEXTS | st.binary(max_size=4)


def source(declared, values, name="c", others=()):
    """Return a connection with a table whose column has these values, and its catalog."""
    connection = sqlite3.connect(":memory:")
    columns = ", ".join([f'"{name}" {declared}', *others])
    connection.execute(f"CREATE TABLE t ({columns})")
    connection.executemany(f'INSERT INTO t ("{name}") VALUES (?)', [(value,) for value in values])
    described = [SourceColumn(name, declared), *(SourceColumn(*other.split(" ", 1)) for other in others)]
    return connection, SourceCatalog((SourceTable("t", tuple(described)),))


def profile(declared, values, name="c", others=(), sample=None):
    connection, catalog = source(declared, values, name, others)
    try:
        return measure(connection, catalog, sample)["t"].columns[0]
    finally:
        connection.close()


@given(st.sampled_from(DECLARED), st.lists(VALUES, max_size=12))
def test_every_value_is_counted_by_its_storage_class_whatever_was_declared(declared, values):
    connection, catalog = source(declared, values)
    found = measure(connection, catalog)["t"].columns[0]
    stored = [row[0] for row in connection.execute("SELECT c FROM t")]
    connection.close()
    classes = [sum(isinstance(value, kind) for value in stored) for kind in (int, float, str, bytes)]
    assert [found.integers, found.reals, found.texts, found.blobs] == classes
    assert found.nulls == stored.count(None)
    numbers = [value for value in stored if isinstance(value, int | float)]
    assert (found.smallest, found.largest) == (min(numbers, default=None), max(numbers, default=None))
    if found.integers and found.reals:
        assert found.negative_zeros == sum(v == 0 and math.copysign(1, v) < 0 for v in numbers if isinstance(v, float))
    if max(numbers, default=0) >= 631_152_000:
        for name in ("epoch_s", "epoch_ms", "filetime"):
            assert found.readings.get(name, 0) == sum(CLOCKS[name].shows(value) for value in numbers)
    assert from_json(to_json({"t": measure(*source(declared, values))["t"]})) == measure(*source(declared, values))


@given(st.lists(VALUES, min_size=1, max_size=12))
def test_texts_of_time_are_told_by_their_shape(values):
    found = profile("TEXT_DATE", values)
    texts = [str(value) for value in values if isinstance(value, str)]
    assert found.days == texts.count("2024-01-01")
    assert (found.moments, found.zoned) == (
        texts.count("2024-01-01 10:00") + texts.count("2024-01-01T10:00:00Z"),
        texts.count("2024-01-01T10:00:00Z"),
    )


def test_what_a_declaration_asks_for_is_counted():
    mixed = ["true", "No", "maybe", 1, 0, 2, b"\xff"]
    assert (profile("BOOLEAN", mixed).truths, profile("BOOLEAN", mixed).words) == (2, 2)
    assert profile("JSON", ["{}", "[1", "{'a': 1}", 7]).documents == 1
    assert profile("NUMERIC(6,2)", [1.25, 1.255, 9999, 10_000, -0.5]).fitting == 3
    assert profile("REAL", [1.25, 1.255, 3], name="unit_price").cents == 2
    uuids = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99", "x" * 60]
    assert profile("UUID", uuids).uuids == 2
    assert profile("DATETIME", ["2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.1234560Z"]).finer == 1


def test_text_that_is_no_utf8_stops_nothing():
    connection, catalog = source("DATETIME", ["2024-01-01"])
    connection.execute("INSERT INTO t VALUES (CAST(x'ff41' AS TEXT)), (CAST(x'41ff' AS TEXT))")
    found = measure(connection, catalog)["t"].columns[0]
    connection.close()
    assert (found.texts, found.days) == (3, 1)


def test_many_columns_are_asked_in_parts():
    others = [f"c{n} INTEGER" for n in range(900)]
    connection, catalog = source("DATETIME", [1_700_000_000, "2024-01-01", 2.5], others=others)
    found = measure(connection, catalog)["t"].columns
    connection.close()
    assert len(found) == 901
    assert (found[0].integers, found[0].texts, found[900].nulls) == (1, 1, 3)


def test_a_sample_reads_no_more_rows_than_asked_and_counts_all():
    connection, catalog = source("INTEGER", range(1_000))
    found = measure(connection, catalog, sample=10)["t"]
    connection.close()
    assert (found.rows, found.sampled, found.columns[0].integers) == (1_000, 10, 10)
    assert (found.columns[0].smallest, found.columns[0].largest) == (0, 999)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_sample_larger_than_the_table_is_the_table(rows):
    connection, catalog = source("INTEGER", range(rows))
    found = measure(connection, catalog, sample=10)["t"]
    connection.close()
    assert (found.rows, found.sampled) == (rows, rows)


@pytest.mark.parametrize(
    ("declared", "name", "values", "clock"),
    [
        ("DATETIME", "c", [1_700_000_000, 1_700_000_001], "epoch_s"),
        ("INTEGER", "ts", [1_700_000_000_000], "epoch_ms"),
        ("INTEGER", "ts", [1_700_000_000_000_000, 1_700_000_000_000_001, 0], "epoch_us"),
        ("INTEGER", "ts", [1_700_000_000_000_000_000], "epoch_ns"),
        ("INTEGER", "last_visit_time", [13_344_473_600_000_000], "webkit"),
        ("INTEGER", "when", [133_444_736_000_000_000], "filetime"),
        ("INTEGER", "date", [721_692_800_000_000_000], "apple_ns"),
        ("REAL", "day_date", [2_460_263.42592593, 2_460_264.5], "julian"),
        # Seconds of which nobody can say whether they count from 1970 or from 2001 …
        ("INTEGER", "ts", [700_000_000, 710_000_000], ""),
        # … but for fractions, larger numbers beside them, and Core Data.
        ("REAL", "visit_time", [700_000_000.5, 710_000_000.25], "apple_s"),
        ("INTEGER", "ts", [700_000_000, 1_400_000_000, 1_500_000_000], "epoch_s"),
        ("TIMESTAMP", "ZDATE", [700_000_000, 1], "apple_s"),
        # No clock: mixed half and half, too small, or by a name that says nothing.
        ("INTEGER", "ts", [1_700_000_000, 1_700_000_000_000], ""),
        ("INTEGER", "ts", [5, 60, 3_600], ""),
        ("REAL", "c", [2_460_263.5], ""),
    ],
)
def test_the_clock_is_decided_by_evidence(declared, name, values, clock):
    others = ["Z_PK INTEGER"] if name.startswith("Z") else []
    assert clock_of(profile(declared, values, name, others)) == clock


def test_numbers_of_another_clock_are_rivals_and_strays_are_not():
    found = profile("INTEGER", [1_700_000_000_000] * 8 + [1_700_000_000, 0], "ts")
    assert (clock_of(found), rivals(found, "epoch_ms")) == ("epoch_ms", 1)


def test_candidate_readings_of_both_bounds_are_shown():
    both = shown(profile("INTEGER", [700_000_000, 1_700_000_000_000], "ts"))
    assert both == (
        "700,000,000 → 1992-03-07 20:26 as seconds since 1970 or 2023-03-08 20:26 as seconds since 2001 (Apple); "
        "1,700,000,000,000 → 2023-11-14 22:13 as milliseconds since 1970"
    )
    assert shown(profile("INTEGER", [5], "ts")) == "5 → no date of our time by any clock"
