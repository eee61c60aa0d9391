"""Snapshots are looked at in the background, and what is found decides."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import psycopg
import pytest

from howdah import examination, profiling, snapshot
from howdah.catalog import sqlite
from howdah.discover import SourceFile
from howdah.errors import ConfigurationError, SourceError
from howdah.examination import Examinations, examining

ENDLESS = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def test_a_damaged_copy_is_told_when_it_is_settled(damaged_index, tmp_path):
    with examining() as examinations:
        snapshot.take(SourceFile("s", damaged_index), tmp_path, examinations=examinations)
        with pytest.raises(SourceError, match="is damaged") as caught:
            examinations.settle()
    assert str(damaged_index) in caught.value.what
    assert "--salvage" in caught.value.next_step


def test_damage_is_said_instead_of_what_follows_from_it(damaged_index, tmp_path):
    with pytest.raises(SourceError, match="is damaged"):
        fail(damaged_index, tmp_path, ConfigurationError("Something strange is in the plan."))


@pytest.mark.parametrize("error", [psycopg.OperationalError, KeyboardInterrupt])
def test_what_has_other_causes_stays(damaged_index, tmp_path, error):
    with pytest.raises(error):
        fail(damaged_index, tmp_path, error())


def fail(path, folder, error):
    with examining() as examinations:
        snapshot.take(SourceFile("s", path), folder, examinations=examinations)
        raise error


def test_a_whole_copy_is_settled_once(make_source, tmp_path):
    path = make_source("CREATE TABLE t (v)", t=[("x" * 1000,) for _ in range(6000)])
    with examining() as examinations:
        taken = snapshot.take(SourceFile("s", path), tmp_path, examinations=examinations)
        examinations.settle()
        taken.path.write_bytes(b"no longer a database")
        examinations.settle()


def test_who_does_not_wait_is_told_at_once(damaged_index, tmp_path):
    with pytest.raises(SourceError, match="is damaged"):
        snapshot.take(SourceFile("s", damaged_index), tmp_path)


def test_only_who_does_not_read_all_rows_has_them_read(damaged_row, tmp_path):
    assert "malformed" in examination.problem_of(damaged_row)
    with examining() as examinations:
        snapshot.take(SourceFile("s", damaged_row), tmp_path, examinations=examinations)
        examinations.settle()
    with examining(rows=True) as examinations:
        snapshot.take(SourceFile("s", damaged_row), tmp_path, examinations=examinations)
        with pytest.raises(SourceError, match="is damaged"):
            examinations.settle()


@pytest.mark.parametrize("error", [sqlite3.DatabaseError, SourceError])
def test_a_row_that_could_not_be_read_is_explained(damaged_row, tmp_path, error):
    with pytest.raises(SourceError, match="malformed") as caught:
        fail(damaged_row, tmp_path, error("Something strange."))
    assert "--salvage" in caught.value.next_step


def test_damage_that_is_only_met_by_who_reads_is_told_with_the_way_out(make_source, tmp_path):
    whole = make_source("CREATE TABLE t (v)", t=[("x",)])
    broken = tmp_path / "broken.db"
    broken.write_bytes(whole.read_bytes()[:4096] + b"\xa5" * 4096)
    with closing(sqlite3.connect(broken)) as connection, pytest.raises(sqlite3.DatabaseError) as met:
        connection.execute("SELECT * FROM t").fetchall()
    with pytest.raises(SourceError, match=r"A source cannot be read: .*malformed") as caught:
        fail(whole, tmp_path, met.value)
    assert "--salvage" in caught.value.next_step


def test_trees_are_looked_at_whole_whatever_ends_before_the_rows(damaged_index):
    """The index lies behind the table; SQLite is told to stop as soon as it reads rows."""
    assert examination.problem_of(damaged_index, rows=False) == examination.problem_of(damaged_index) != ""


def cut_off_subtrees(path):
    """Make some tables' first interior page lose half of its children: rows that nobody would miss."""
    raw = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    at = (root - 1) * page
    assert raw[at] == 5
    cells = int.from_bytes(raw[at + 3 : at + 5], "big")
    raw[at + 3 : at + 5] = (cells // 2).to_bytes(2, "big")
    path.write_bytes(raw)
    return path


ROWS = [("x" * 900,) for _ in range(4400)]


@pytest.mark.parametrize(
    "schema",
    [
        [f"CREATE VIEW v{number} AS SELECT {number}" for number in range(3000)],
        [f"CREATE TABLE u{number} (v, CONSTRAINT c UNIQUE (v))" for number in range(2300)],
        ["CREATE TABLE pragma_quick_check (quick_check)"],
        ["CREATE VIRTUAL TABLE pragma_quick_check USING fts5(quick_check)"],
    ],
    ids=["views", "tables", "namesake", "searched"],
)
def test_trees_are_looked_at_whatever_the_schema_is(make_source, schema):
    path = make_source(";".join(["BEGIN", "CREATE TABLE t (v)", *schema, "COMMIT"]), t=ROWS)
    assert examination.problem_of(path, rows=False) == ""
    assert examination.problem_of(cut_off_subtrees(path), rows=False) != ""


def test_a_row_that_cannot_be_read_is_found_behind_dirt(make_source):
    path = make_source("CREATE TABLE d (a, v TEXT)", d=[*[(None, "one")] * 5, (1, "unreadable")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE d (a NOT NULL, v TEXT)'")
        connection.commit()
    assert examination.problem_of(path) == ""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"unreadable")
    # The text is said to be longer than its record.
    raw[at - 1] += 20
    path.write_bytes(raw)
    assert examination.problem_of(path) != ""


def test_a_row_with_something_behind_its_values_is_not_read_from_its_page(make_source):
    path = make_source("CREATE TABLE t (v TEXT)", t=[("one",), ("two",)])
    raw = bytearray(path.read_bytes())
    at = raw.index(b"two")
    # The text is said to be shorter than what is there.
    assert raw[at - 1] == 13 + 2 * 3
    raw[at - 1] = 13 + 2 * 2
    path.write_bytes(raw)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        profiling.measure(path, sqlite.read(path).tables)


def test_what_is_under_way_is_given_up(monkeypatch, tmp_path):
    ended = []

    def endless(_, told, **_kind):
        connection = sqlite3.connect(":memory:")
        told(connection)
        time.sleep(0.2)
        try:
            connection.execute(ENDLESS).fetchone()
        except sqlite3.OperationalError as error:
            ended.append(str(error))
            raise
        finally:
            told(None)

    monkeypatch.setattr(examination, "problem_of", endless)
    examinations = Examinations()
    for _ in range(3):
        examinations.begin(tmp_path, tmp_path)
    time.sleep(0.05)
    assert examinations.busy
    examinations.close()
    assert ended == ["interrupted"]
    assert not examinations.busy
