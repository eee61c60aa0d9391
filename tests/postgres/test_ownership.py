"""Rows that are not ours: never touched, never deleted, never counted as ours."""

from __future__ import annotations

import pytest

from howdah import ownership
from howdah.pipeline import Request, migrate, verify
from howdah.vector import batches

ITEMS = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, v TEXT)"


@pytest.fixture
def request_(database, make_source):
    return Request((make_source(ITEMS, item=[(1, "a", "one"), (2, "b", "two")]),), database.dsn)


def test_rows_of_others_survive_a_delta_and_raise_no_alarm(database, request_, change):
    migrate(request_)
    database.query("INSERT INTO item VALUES (100, 'theirs', 'x')")
    change(request_.sources[0], "DELETE FROM item WHERE id = 1; INSERT INTO item VALUES (3, 'c', 'three')")
    assert migrate(request_).verdict == "verified"
    assert [row[0] for row in database.query("SELECT id FROM item ORDER BY id")] == [2, 3, 100]
    report = verify(request_)
    assert report.verdict == "verified"
    assert [f.rows for f in report.findings if f.code == "foreign_rows"] == [1]
    assert migrate(request_).changed is False


def test_a_key_that_others_took_is_quarantined_and_never_overwritten(database, request_, change):
    migrate(request_)
    database.query("INSERT INTO item VALUES (3, 'z', 'theirs')")
    change(request_.sources[0], "INSERT INTO item VALUES (3, 'c', 'ours')")
    report = migrate(request_)
    assert (report.verdict, report.exit_code) == ("quarantined", 3)
    assert database.value("SELECT v FROM item WHERE id = 3") == "theirs"
    assert database.query("SELECT code, column_name, row_data->>'v' FROM howdah.quarantine") == [
        ("conflict", "id", "ours")
    ]
    assert migrate(request_).changed is False
    # Once the obstacle is gone the row moves, without a change of the source.
    database.query("DELETE FROM item WHERE id = 3")
    report = migrate(request_)
    assert (report.verdict, report.changed) == ("verified", True)
    assert database.value("SELECT v FROM item WHERE id = 3") == "ours"
    assert database.value("SELECT count(*) FROM howdah.quarantine") == 0


def test_a_unique_value_that_others_took_is_quarantined(database, request_, change):
    migrate(request_)
    database.query("INSERT INTO item VALUES (50, 'c', 'theirs')")
    change(request_.sources[0], "INSERT INTO item VALUES (3, 'c', 'ours')")
    assert migrate(request_).exit_code == 3
    assert database.query("SELECT code FROM howdah.quarantine") == [("unique_conflict",)]
    assert database.value("SELECT v FROM item WHERE code = 'c'") == "theirs"


def test_an_equal_row_of_others_counts_and_stays_theirs(database, request_, change):
    migrate(request_)
    database.query("INSERT INTO item VALUES (3, 'c', 'same')")
    change(request_.sources[0], "INSERT INTO item VALUES (3, 'c', 'same')")
    report = migrate(request_)
    assert report.verdict == "verified"
    assert [f.rows for f in report.findings if f.code == "already_there"] == [1]
    change(request_.sources[0], "DELETE FROM item WHERE id = 3")
    migrate(request_)
    assert database.value("SELECT count(*) FROM item WHERE id = 3") == 1


def test_in_a_table_without_a_key_equal_rows_of_others_stay(database, make_source, change):
    source = make_source("CREATE TABLE log (v TEXT)", log=[("a",), ("a",), ("b",)])
    request = Request((source,), database.dsn)
    migrate(request)
    database.query("INSERT INTO log VALUES ('theirs')")
    change(source, "DELETE FROM log WHERE v = 'a'; INSERT INTO log VALUES ('b')")
    assert migrate(request).verdict == "verified"
    assert sorted(database.query("SELECT v FROM log")) == [("b",), ("b",), ("theirs",)]


@pytest.mark.parametrize("each", [50, 400, 100_000], ids=["more parts than chunks", "as many", "one part"])
def test_every_row_of_a_large_table_without_a_key_is_ours(database, make_source, change, monkeypatch, each):
    """However the pages of the target are cut into parts, and these spread over the chunks of the source."""
    monkeypatch.setattr(batches, "UNIT_ROWS", 1_100)
    monkeypatch.setattr(ownership, "_IMAGES_PER_CHUNK", each)
    request = Request((make_source("CREATE TABLE t (a, b)", t=[(n, f"v {n}") for n in range(3_000)]),), database.dsn)
    migrate(request)
    change(request.sources[0], "DELETE FROM t WHERE a <> 7")
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT a FROM t") == [(7,)]


def test_a_parent_that_others_refer_to_stays_and_is_reported(database, make_source, change):
    source = make_source(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES"
        " p(id) ON DELETE CASCADE)",
        p=[(1,), (2,)],
        c=[(10, 1)],
    )
    request = Request((source,), database.dsn)
    migrate(request)
    database.query("INSERT INTO c VALUES (99, 2)")
    change(source, "DELETE FROM p WHERE id = 2")
    report = migrate(request)
    assert [f.rows for f in report.findings if f.code == "still_referenced"] == [1]
    assert report.verdict == "verified"
    assert database.query("SELECT id FROM c ORDER BY 1") == [(10,), (99,)]
    assert migrate(request).changed is False
    database.query("DELETE FROM c WHERE id = 99")
    assert migrate(request).changed is True
    assert database.query("SELECT id FROM p") == [(1,)]


def test_a_child_whose_parent_vanished_goes_to_quarantine(database, make_source, change):
    source = make_source(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p(id))",
        p=[(1,), (2,)],
        c=[(10, 1), (20, 2)],
    )
    request = Request((source,), database.dsn)
    migrate(request)
    change(source, "DELETE FROM p WHERE id = 2")
    report = migrate(request)
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 1)
    assert database.query("SELECT id FROM p") == [(1,)]
    assert database.query("SELECT id FROM c") == [(10,)]
    change(source, "INSERT INTO p VALUES (2)")
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT id FROM c ORDER BY 1") == [(10,), (20,)]
