"""Types and casts decided by evidence, and what the plan says about it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from howdah.pipeline import Request, migrate, plan, verify

MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("INTEGER", 1_700_000_000),
        ("INTEGER", 1_700_000_000_000),
        ("INTEGER", 1_700_000_000_000_000),
        ("INTEGER", 1_700_000_000_000_000_000),
        ("REAL", 2_460_263.42592593),
        ("INTEGER", 721_692_800_000_000_000),
        ("INTEGER", 133_444_736_000_000_000),
        ("INTEGER", 13_344_473_600_000_000),
        ("DATETIME", "2023-11-14t22:13:20,000Z"),
    ],
)
def test_a_moment_arrives_from_every_clock(database, make_source, declared, value):
    source = make_source(f"CREATE TABLE t (id INTEGER PRIMARY KEY, seen_at {declared})", t=[(1, value), (2, None)])
    request = Request((source,), database.dsn)
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT seen_at FROM t ORDER BY id") == [(MOMENT,), (None,)]
    assert verify(request).exit_code == 0
    assert migrate(request).changed is False


def test_core_data_counts_from_2001(database, make_source):
    source = make_source(
        "CREATE TABLE zphoto (Z_PK INTEGER PRIMARY KEY, ZDATE TIMESTAMP)", zphoto=[(1, 721_692_800), (2, -86_400.5)]
    )
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    found = [row[0].isoformat() for row in database.query("SELECT zdate AT TIME ZONE 'UTC' FROM zphoto ORDER BY z_pk")]
    assert found == ["2023-11-14T22:13:20", "2000-12-30T23:59:59.500000"]


def test_ambiguous_numbers_stay_and_their_readings_are_shown(database, make_source):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, seen_at INTEGER)", t=[(1, 700_000_000)])
    request = Request((source,), database.dsn)
    (finding,) = (f for f in plan(request).findings if f.code == "ambiguous_time")
    assert "700,000,000 → 1992-03-07 20:26 as seconds since 1970 or 2023-03-08 20:26 as seconds" in finding.message
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT seen_at FROM t") == [(700_000_000,)]


def test_a_value_of_another_clock_does_not_take_the_others_along(database, make_source, change):
    rows = [(n, 1_700_000_000_000 + n) for n in range(20)]
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, seen_at DATETIME)", t=rows)
    request = Request((source,), database.dsn)
    assert migrate(request).verdict == "verified"
    change(source, "INSERT INTO t VALUES (100, 1700000000), (101, 0)")
    report = migrate(request)
    assert report.verdict == "quarantined"
    assert database.query("SELECT locator, code FROM howdah.quarantine") == [(100, "ambiguous_epoch")]
    assert database.value("SELECT count(*) FROM t") == 21
    assert [f.rows for f in report.findings if f.code == "mixed_clocks"] == [1]
