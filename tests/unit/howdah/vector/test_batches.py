"""Rows as they lie in the pages are those that SQLite's interface gives, or are left to SQLite."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howdah import pages
from howdah.catalog import sqlite
from howdah.native.tree import UnknownError
from howdah.reading import queries
from howdah.vector import batches
from howdah.vector.fields import Field, Kind

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 127, 128, -129, 2**15, 2**23, -(2**31), 2**47, 2**63 - 1]),
    st.floats(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    st.binary(max_size=40),
    st.builds(lambda text, n: text * n, st.text("aé", min_size=1, max_size=3), st.integers(300, 9000)),
)
DDL = "CREATE TABLE t (a, r REAL, id INTEGER PRIMARY KEY, n NUMERIC, s TEXT, d DOUBLE PRECISION)"

FIELDS = [Field(2, Kind.INTEGER, width=8), Field(4, Kind.TEXT), Field(1, Kind.FLOAT, width=8)]


@pytest.fixture
def make(tmp_path):
    def made(*statements, rows=(), page_size=512):
        path = tmp_path / "s.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA page_size = {page_size}")
            for statement in statements:
                connection.execute(statement)
            if rows:
                connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
            connection.commit()
        return path

    return made


def table_of(path):
    return next(table for table in sqlite.read(path).tables if table.name == "t")


def read(path, table):
    """Return locators, digests and streams of all rows, batch by batch."""
    found = batches.batches(path, table, FIELDS if len(table.columns) == len(DDL.split(",")) else None)
    return [tuple(map(bytes, (b.locators, b.digests, b.settled, b.stream))) for b in found]


def by_sqlite(path, table):
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(batches, "stored_rows", unknown)
        return read(path, table)


def unknown(*_):
    raise UnknownError


def by_pages(path, table):
    """Return the same, but nothing that SQLite reads."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(batches, "queries", unknown)
        return read(path, table)


def rowids(found):
    return [n for locators, *_ in found for n in np.frombuffer(locators, np.int64).tolist()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES, VALUES), max_size=60),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=60, max_size=60, unique=True),
    st.sampled_from([512, 1024, 4096, 65536]),
)
def test_digests_are_those_of_sqlite(tmp_path_factory, rows, ids, page_size):
    path = tmp_path_factory.mktemp("stored") / "s.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(DDL)
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)",
            [(a, r, key, n, s, d) for (a, r, n, s, d), key in zip(rows, ids, strict=False)],
        )
        connection.commit()
    table = table_of(path)
    assert by_pages(path, table) == by_sqlite(path, table)


def test_a_deep_tree_with_gaps_is_read_in_its_order(make):
    chance = random.Random(1)
    rows = [(n, n / 2, n * 3, n, "x" * chance.choice([3, 200, 3000]), None) for n in range(20_000)]
    chance.shuffle(rows)
    path = make(DDL, "CREATE INDEX i ON t (s)", rows=rows)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM t WHERE id % 7 = 0 OR id BETWEEN 9000 AND 12000")
        connection.commit()
    table = table_of(path)
    found = by_pages(path, table)
    assert len(found) > 1
    assert found == by_sqlite(path, table)
    assert rowids(found) == sorted(rowids(found))


@pytest.mark.parametrize(
    "statements",
    [
        ["PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (a TEXT)"],
        ["CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID"],
        ["CREATE TABLE t (a, b AS (a || 'x'))"],
        ["CREATE VIRTUAL TABLE t USING fts5(a)"],
    ],
)
def test_what_is_stored_otherwise_is_left_to_sqlite(make, statements):
    path = make(*statements)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t (a) VALUES ('é')")
        connection.commit()
    table = table_of(path)
    with pytest.raises(UnknownError):
        by_pages(path, table)
    assert read(path, table) == by_sqlite(path, table)


def test_rows_that_are_older_than_a_column_are_left_to_sqlite(make, monkeypatch):
    path = make("CREATE TABLE t (a)", rows=[(n,) for n in range(1000)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE t ADD COLUMN b DEFAULT 'new'")
        connection.execute("UPDATE t SET b = 'known' WHERE rowid <= 250")
        connection.commit()
    monkeypatch.setattr(batches, "UNIT_ROWS", 100)
    asked = []
    monkeypatch.setattr(batches, "queries", lambda *given: asked.append(given[2]) or queries(*given))
    table = table_of(path)
    found = read(path, table)
    # The batch in which they begin is read again, so that batches are what they would be.
    assert asked == [200]
    assert found == by_sqlite(path, table)
    assert rowids(found) == list(range(1, 1001))


def test_damage_is_never_taken_for_rows(make):
    """Whatever a byte becomes: rows are as SQLite has them, or they are left to it."""
    chance = random.Random(2)
    path = make(DDL, rows=[(n, n / 2, n, -n, "y" * (n % 900), None) for n in range(400)])
    table, whole = table_of(path), path.read_bytes()
    odd = 0
    for _ in range(600):
        broken = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            # Heads and cells' pointers of pages, more often than the rest.
            at = 512 * chance.randrange(1, len(whole) // 512) + chance.choice([0, 1, 3, 4, 8, 9, 11, 12, 13, 511])
            broken[at] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            found = rowids(by_pages(path, table))
        except UnknownError:
            odd += 1
            continue
        assert found == sorted(found)
    assert odd > 100


def test_the_root_of_one_of_many_tables_is_looked_up_and_not_searched_for(make):
    # One is named as what the roots are looked up in.
    others = [f"CREATE TABLE t{n} (a)" for n in range(pages._MANY)]
    path = make(*others, "CREATE TABLE root (name, rootpage)", DDL, rows=[(1, 1.5, 7, 2, "x", 2.5)])
    with sqlite.open_snapshot(path) as connection:
        for _ in range(2):
            asked = f"SELECT rootpage FROM {pages._roots(connection)} WHERE name = 'root'"
            assert (
                connection.execute(asked).fetchone()
                == connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'root'").fetchone()
            )
            plan = " ".join(str(row) for row in connection.execute(f"EXPLAIN QUERY PLAN {asked}"))
            assert "SEARCH howdah.root USING PRIMARY KEY" in plan
        assert connection.execute("SELECT count(*) FROM root").fetchone() == (0,)
    assert [table.name for table in sqlite.read(path).tables][-2:] == ["root", "t"]
    assert by_pages(path, table_of(path)) == by_sqlite(path, table_of(path))
    sqlite.let_go()


def test_of_few_tables_no_table_of_roots_is_made(make):
    with sqlite.open_snapshot(make(DDL)) as connection:
        assert pages._roots(connection) == pages._TABLES
        assert len(connection.execute("PRAGMA database_list").fetchall()) == 1
