"""Whole columns are compared whatever order the target's rows are in, and nothing that differs gets through."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from howdah.errors import HowdahError
from howdah.pipeline import Request, migrate, plan, verify
from howdah.vector import reading
from howdah.verify import compare, quick, target

ROWS = 6_000
DDL = """
CREATE TABLE t (id INTEGER PRIMARY KEY, u UUID, s TEXT, d JSON, at TIMESTAMP, epoch TIMESTAMP, n REAL, b BOOLEAN,
                x BLOB, q DECIMAL, day DATE)
"""
CHANGES = {
    "u": "gen_random_uuid()",
    "s": "s || ' '",
    "d": "jsonb_set(d, '{k}', '1.0000000000000000001')",
    "at": "at + interval '1 microsecond'",
    "epoch": "epoch + interval '1 hour'",
    "n": "n + 1e-9",
    "b": "NOT b",
    "x": "x || '\\x00'",
    "q": "q + 1",
    "day": "day + 1",
}


def row(n):
    generator = random.Random(n)
    return (
        n,
        f"{n:08x}-0000-4000-8000-{generator.getrandbits(48):012X}",
        f"text {n} é",
        f'{{"b": {n}, "a": [1.5, "x"], "k": {n}}}' if n % 3 else '{"k":[]}',
        f"2024-02-29T12:{n % 60:02}:00.{n:06}",
        1_700_000_000 + n,
        n / 7,
        n % 2,
        n.to_bytes(3, "big"),
        n * 1000,
        f"2024-01-{n % 28 + 1:02}",
    )


@pytest.fixture
def request_(database, make_source, monkeypatch):
    monkeypatch.setattr(reading, "UNIT_ROWS", 2_000)
    request = Request((make_source(DDL, t=[row(n) for n in range(1, ROWS + 1)]),), database.dsn)
    assert migrate(request).verdict == "verified"
    return request


@pytest.fixture
def one_by_one(monkeypatch):
    """Return the locators of rows that were compared one by one, where sums settle nothing."""
    seen = []
    monkeypatch.setattr("howdah.verify.agree", lambda *_: None)
    taken = compare.Sides.expect
    monkeypatch.setattr(
        compare.Sides, "expect", lambda self, locator, row: (seen.append(locator), taken(self, locator, row))
    )
    return seen


def test_rows_that_agree_are_settled_as_columns(request_, one_by_one):
    assert verify(request_).verdict == "verified"
    assert one_by_one == []


@pytest.mark.parametrize("waiting", [quick._WAITING_ROWS, 500])
def test_rows_in_another_order_agree_as_well(database, request_, one_by_one, monkeypatch, waiting):
    monkeypatch.setattr(quick, "_WAITING_ROWS", waiting)
    database.query("UPDATE t SET s = s WHERE id % 3 = 1")
    database.query("CREATE INDEX mixed ON t (md5(id::text)); CLUSTER t USING mixed")
    assert verify(request_).verdict == "verified"
    assert bool(one_by_one) == (waiting == 500)


@pytest.mark.parametrize("column", CHANGES)
def test_one_changed_value_is_found(database, request_, column):
    database.query(f"UPDATE t SET {column} = {CHANGES[column]} WHERE id = 4001")
    report = verify(request_)
    assert (report.exit_code, report.difference_count) == (4, 1)
    assert [(d.kind, d.columns) for d in report.differences] == [("different", (column,))]
    database.query(f"UPDATE t SET {column} = NULL WHERE id = 4001")
    assert verify(request_).difference_count == 1


@pytest.mark.parametrize("value", ["at = 'infinity'", "at = '-infinity'", "at = '294276-01-01'", "at = '4000-01-01 BC'",
                                   "day = 'infinity'", "day = '4000-01-01 BC'", "n = 'NaN'", "q = 'NaN'"])  # fmt: skip
def test_values_that_no_source_can_have_are_differences(database, request_, value):
    database.query(f"UPDATE t SET {value} WHERE id = 4001")
    report = verify(request_)
    assert [(d.kind, d.columns) for d in report.differences] == [("different", (value.split()[0],))]


def test_a_key_that_is_no_utf8_by_now_is_a_difference(database, make_source):
    path = make_source(
        "CREATE TABLE c (a TEXT, b INT, v, PRIMARY KEY (a, b))", c=[(f"k{n}", n, n) for n in range(3_000)]
    )
    request = Request((path,), database.dsn)
    migrate(request)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE c SET a = CAST(x'ff' AS TEXT) WHERE b = 7")
        connection.commit()
    assert {d.kind for d in verify(request).differences} == {"missing", "left_over"}


def test_a_server_that_is_gone_is_said_in_one_sentence(request_):
    reader = target.Reader("host=127.0.0.1 port=1 dbname=nowhere connect_timeout=1")
    with pytest.raises(HowdahError, match="The rows of t cannot be read back"):
        next(reader.batches(plan(request_).tables[0], []))


def test_lost_and_foreign_rows_are_told_apart(database, request_):
    database.query("INSERT INTO t (id, s) SELECT g, 'not ours' FROM generate_series(100001, 109000) g")
    assert verify(request_).verdict == "verified"
    database.query("DELETE FROM t WHERE id IN (1, 3000, 6000)")
    report = verify(request_)
    assert report.difference_count == 3
    assert {d.kind for d in report.differences} == {"missing"}
