"""Which tables are large is told by their pages, and by the file where SQLite cannot tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest

from howdah import resume
from howdah.catalog.sqlite import open_snapshot

LARGE = 1 << 20


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Return a function that tells whether a table is large; ``big`` has 2 MB, ``small`` 40 kB."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        for table, rows in (("big", 2_000), ("small", 40)):
            connection.execute(f"CREATE TABLE {table} (v)")
            connection.executemany(f"INSERT INTO {table} VALUES (?)", [("x" * 1_000,)] * rows)
        connection.commit()
    monkeypatch.setattr(resume, "LARGE_BYTES", LARGE)
    context = SimpleNamespace(snapshots={"shop": (path, "")})
    return lambda name: resume.is_large(SimpleNamespace(source="shop", table=SimpleNamespace(name=name)), context)


def test_a_table_is_as_large_as_its_pages(large):
    assert large("big")
    assert not large("small")


def test_nothing_is_large_in_a_small_file(large, monkeypatch):
    monkeypatch.setattr(resume, "LARGE_BYTES", 4 * LARGE)
    assert not large("big")


def test_what_has_no_pages_of_its_own_counts_as_the_whole_file(large):
    # As the rows of a virtual table, which lie in others.
    assert large("shadowed")


def test_without_dbstat_a_table_counts_as_the_whole_file(large, monkeypatch):
    @contextmanager
    def without(path):
        with open_snapshot(path) as connection:
            connection.set_authorizer(
                lambda _, table, *__: sqlite3.SQLITE_DENY if table == "dbstat" else sqlite3.SQLITE_OK
            )
            yield connection

    monkeypatch.setattr(resume, "open_snapshot", without)
    assert large("small")
