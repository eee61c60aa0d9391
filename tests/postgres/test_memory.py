"""What a migration keeps in memory of each table, and that it lets go of it."""

from __future__ import annotations

import gc
import sqlite3
import threading
import tracemalloc
from collections import Counter
from contextlib import closing

from howdah import apply
from howdah.catalog import sqlite
from howdah.pipeline import Request, migrate

# Bytes that Python may hold for each table while rows are loaded and verified, and while the report is written: 2,980
# and 4,560 were seen, what is cached of the first tables included. A connection to SQLite takes 500 bytes besides.
KEPT = 3_300
AT_MOST = 5_000
FEW, MANY = 40, 240


def _source(path, tables):
    with closing(sqlite3.connect(path)) as connection:
        for number in range(tables):
            connection.execute(f"CREATE TABLE t{number:05d} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL)")
            # No two tables hold the same, and no profile equals another.
            rows = [(n, number + n / 7) for n in range(3)]
            connection.executemany(f"INSERT INTO t{number:05d} VALUES (?, 'a', ?)", rows)
        connection.commit()
    return path


def _traced(monkeypatch, request):
    """Migrate; return the bytes that are held when rows are about to be verified, and the most from there on."""
    held = []

    def compare(*given):
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.reset_peak()
        return original(*given)

    original = apply.compare
    monkeypatch.setattr(apply, "compare", compare)
    tracemalloc.start()
    try:
        for part in (report := migrate(request)).to_json():
            assert part
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        monkeypatch.undo()
    assert report.verdict == "verified"
    return held[0], most


def test_memory_of_each_table_is_small(database, tmp_path, monkeypatch):
    # What is loaded by the first run counts for no table.
    migrate(Request((_source(tmp_path / "first.db", 2),), database.dsn, schema="first"))
    few = _traced(monkeypatch, Request((_source(tmp_path / "few.db", FEW),), database.dsn, schema="few"))
    many = _traced(monkeypatch, Request((_source(tmp_path / "many.db", MANY),), database.dsn, schema="many"))
    kept, most = ((after - before) / (MANY - FEW) for before, after in zip(few, many, strict=True))
    print(f"kept {kept:,.0f}, at most {most:,.0f} bytes for each table")
    assert kept < KEPT
    assert most < AT_MOST


def test_a_thread_that_loads_opens_a_source_once(database, tmp_path, monkeypatch):
    opened = Counter()

    def counted(make):
        def made(path):
            opened[threading.current_thread().name] += 1
            return make(path)

        return made

    def compare(*given):
        monkeypatch.undo()
        return apply.compare(*given)

    for files in (sqlite._kept, sqlite._kept_compiled):
        monkeypatch.setattr(files, "_make", counted(files._make))
    monkeypatch.setattr(apply, "compare", compare)
    assert migrate(Request((_source(tmp_path / "s.db", FEW),), database.dsn, jobs=2)).verdict == "verified"
    del opened[threading.current_thread().name]
    assert opened
    assert set(opened.values()) == {1}
