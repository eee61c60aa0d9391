"""The comparison of a file with PostgreSQL misses nothing and raises no false alarm."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest

from howdah import export, pg
from howdah.errors import VerificationFailed
from howdah.export import check, query

ROWS = """
CREATE TABLE t (id int PRIMARY KEY, a text, b text, f float8, n numeric(8, 2), o boolean, raw bytea, at timestamptz);
INSERT INTO t SELECT i, 'a' || i, 'b' || i, i / 8.0, i / 4.0, i % 2 = 0, '\\x00',
  '2024-01-01'::timestamptz + i * '1 s'::interval FROM generate_series(1, 50) i;
CREATE TABLE bag AS SELECT i % 7 AS k, NULL::text AS v FROM generate_series(1, 50) i;
"""


@pytest.fixture
def exported(database, tmp_path):
    """Return a function that runs a script on an exported file, and compares a table of it with PostgreSQL."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ROWS)
    path = tmp_path / "back.db"
    tables = {item.table.name: item.table for item in export.export(export.Request(path, database.dsn)).tables}

    def tampered(script, table="t"):
        with closing(sqlite3.connect(path)) as file:
            file.executescript(script)
        with pg.connect(database.dsn) as connection, pg.snapshot(connection), closing(sqlite3.connect(path)) as file:
            return check.compare(connection, file, tables[table])

    return tampered


@pytest.mark.parametrize(
    ("script", "column"),
    [
        ("UPDATE t SET a = a || ' ' WHERE id = 7", "a"),
        ("UPDATE t SET a = b, b = a WHERE id = 7", "a"),
        ("UPDATE t SET a = NULL WHERE id = 7", "a"),
        ("UPDATE t SET a = x'6137' WHERE id = 7", "a"),
        ("UPDATE t SET f = f + 1e-15 WHERE id = 7", "f"),
        ("UPDATE t SET n = n + 0.01 WHERE id = 7", "n"),
        ("UPDATE t SET n = '1.75x' WHERE id = 7", "n"),
        ("UPDATE t SET o = 1 - o WHERE id = 7", "o"),
        ("UPDATE t SET o = 'true' WHERE id = 8", "o"),
        ("UPDATE t SET raw = x'01' WHERE id = 7", "raw"),
        ("UPDATE t SET raw = CAST(raw AS TEXT) WHERE id = 7", "raw"),
        ("UPDATE t SET at = replace(at, '+00:00', '+01:00') WHERE id = 7", "at"),
    ],
)
def test_one_changed_value_is_found_and_named(exported, script, column):
    found = exported(script)
    assert not found.equal
    assert column in found.columns
    assert found.example.startswith("id = ")


@pytest.mark.parametrize(
    "script",
    [
        "DELETE FROM t WHERE id = 7",
        "INSERT INTO t SELECT 99, a, b, f, n, o, raw, at FROM t WHERE id = 7",
        "UPDATE t SET id = 99 WHERE id = 7",
    ],
)
def test_a_lost_an_added_and_a_moved_row_are_found(exported, script):
    assert not exported(script).equal


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE bag SET k = 5 WHERE rowid = (SELECT min(rowid) FROM bag WHERE k = 6)",
        "DELETE FROM bag WHERE rowid = 1; INSERT INTO bag SELECT k, v FROM bag WHERE rowid = 2",
        "UPDATE bag SET v = '' WHERE rowid = 1",
    ],
)
def test_a_table_without_a_key_is_compared_as_a_multiset(exported, script):
    assert exported("", "bag").equal
    assert not exported(script, "bag").equal


def test_the_order_of_rows_means_nothing(exported):
    assert exported(
        "CREATE TEMP TABLE x AS SELECT * FROM t ORDER BY id DESC; DELETE FROM t; INSERT INTO t SELECT * FROM x"
    ).equal


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_whole", lambda *given: [f"({given[1]} + 1)::int8"]),
        ("_text", lambda *given: f"replace({given[1]}::text, '00:00:07', '00:00:08')"),
        ("_number", lambda *given: [f"{given[1]}::float4::float8"]),
    ],
)
def test_a_mistake_of_the_writer_leaves_no_file(database, tmp_path, monkeypatch, name, wrong):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ROWS.replace("i / 8.0", "i / 7.0"))
    monkeypatch.setattr(query, name, wrong)
    with pytest.raises(VerificationFailed, match="not what PostgreSQL holds"):
        export.export(export.Request(tmp_path / "back.db", database.dsn))
    assert list(tmp_path.iterdir()) == []
