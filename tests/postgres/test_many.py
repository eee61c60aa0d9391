"""Many small tables and many small sources: few connections, and few statements for each."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from howdah import small, wire
from howdah.pipeline import Request, migrate, verify
from tests.bench import generate

APPLICATION = Path(generate.__file__).parent / "application"
FILES = 12


@pytest.fixture
def sent(monkeypatch):
    """Count statements by their first words, and connections as ``connect``."""
    counted: Counter[str] = Counter()
    execute, copy, connect = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.connect

    def counts(function):
        def call(self, query, *arguments, **options):
            counted[" ".join(str(query).split())] += 1
            return function(self, query, *arguments, **options)

        return call

    def connects(*arguments, **options):
        counted["connect"] += 1
        return connect(*arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counts(execute))
    monkeypatch.setattr(psycopg.Cursor, "copy", counts(copy))
    monkeypatch.setattr(wire, "copy_out", counts(wire.copy_out))
    monkeypatch.setattr(psycopg, "connect", connects)
    return counted


@pytest.fixture
def files(tmp_path, database):
    """Return a request for small files that fill the same three tables."""
    for number in range(FILES):
        size = generate.Size(2, 10, 10)
        generate.write(tmp_path / f"{number:03}.db", size, number, 1 + 2 * number * size.metrics)
    return Request((tmp_path,), database.dsn, application=APPLICATION)


def of(sent, words):
    """Return how many statements were sent that hold these words."""
    return sum(count for query, count in sent.items() if words in query)


def test_only_rows_of_nobody_are_called_foreign(files, database):
    assert [f for f in migrate(files).findings if f.code == "foreign_rows"] == []
    database.query("INSERT INTO metrics (id, name, ts) VALUES (-1, 'of somebody else', 0)")
    with closing(sqlite3.connect(files.sources[0] / "003.db")) as connection:
        connection.execute("UPDATE metrics SET value = -1 WHERE rowid IN (SELECT min(rowid) FROM metrics)")
        connection.commit()
    for act in (migrate, verify):
        report = act(files)
        print(
            act,
            report.verdict,
            report.changed,
            [(f.code, f.rows) for f in report.findings],
            [(t.source, t.table, t.updated) for t in report.tables if t.changed],
        )
        assert [f.rows for f in report.findings if f.code == "foreign_rows"] == [1]


def test_a_table_that_many_sources_fill_is_read_back_once(files, sent):
    assert migrate(files).verdict == "verified"
    assert of(sent, "TO STDOUT") == 3
    sent.clear()
    assert verify(files).verdict == "verified"
    assert of(sent, "TO STDOUT") == 3


def test_a_small_source_takes_few_statements(files, sent):
    migrate(replace(files, sources=tuple(files.sources[0] / name for name in ("000.db", "001.db"))))
    two = sent.total()
    sent.clear()
    assert migrate(files).verdict == "verified"
    # All tables that fill the same one share their statements, and so do the sources themselves.
    assert sent.total() - two <= FILES
    assert of(sent, "TEMP TABLE") == 0
    assert of(sent, "LOCK TABLE") == 3


@pytest.mark.parametrize(("limit", "locks"), [("_FILE_BYTES", 3 * FILES), ("_TOGETHER_BYTES", 3 * FILES)])
def test_what_is_too_large_for_others_beside_it_is_loaded_by_itself(files, sent, monkeypatch, limit, locks):
    monkeypatch.setattr(small, limit, 0)
    assert migrate(replace(files, jobs=2)).verdict == "verified"
    assert of(sent, "LOCK TABLE") == locks


@pytest.mark.parametrize(
    "change",
    [
        "metrics SET ts = 'never'",
        "metrics SET id = 1",
        "messages SET conversation_id = '00000000-0000-4000-8000-000000000000'",
        "messages SET attachments = '{\"a\": 1e999999}'",
    ],
)
def test_a_row_that_does_not_fit_costs_the_other_sources_nothing(files, database, sent, change):
    table = change.split()[0]
    with closing(sqlite3.connect(files.sources[0] / "007.db")) as connection:
        connection.execute(f"UPDATE {change} WHERE rowid = (SELECT min(rowid) FROM {table})")
        connection.commit()
    report = migrate(replace(files, jobs=2))
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 1)
    assert database.query("SELECT source, table_name FROM howdah.quarantine") == [("bench:007.db", table)]
    for name in ("metrics", "messages"):
        assert database.value(f"SELECT count(*) FROM {name}") == 10 * FILES - (name == table)
    # It is found by halves: the tables of most sources were never loaded one by one.
    assert of(sent, "LOCK TABLE") <= 3 + 2 * 5


def test_sources_with_other_columns_may_be_among_them(files, database, sent):
    with closing(sqlite3.connect(files.sources[0] / "004.db")) as connection:
        connection.executescript(
            """ALTER TABLE metrics RENAME TO before;
               CREATE TABLE metrics (ts INTEGER NOT NULL, name TEXT NOT NULL, id INTEGER PRIMARY KEY);
               INSERT INTO metrics SELECT ts, name, id FROM before;
               DROP TABLE before"""
        )
    assert migrate(files).verdict == "verified"
    assert database.value("SELECT count(*) FROM metrics") == 10 * FILES
    assert of(sent, 'LOCK TABLE "public"."metrics"') == 3


def test_small_sources_are_loaded_whole_or_not_at_all(files, database):
    class StopError(Exception):
        pass

    def stop(event):
        if event.stage == "load" and event.table == "messages" and event.source == "bench:006.db":
            raise StopError

    with pytest.raises(StopError):
        migrate(files, stop)
    recorded = dict(database.query("SELECT target_table, sum(loaded_rows)::int FROM howdah.load GROUP BY 1"))
    assert recorded["conversations"] == 2 * FILES
    assert "messages" not in recorded
    assert database.value("SELECT count(*) FROM messages") == 0
    assert database.value("SELECT count(*) FROM howdah.chunk WHERE table_name = 'messages'") == 0
    report = migrate(files)
    assert report.verdict == "verified"
    assert {table.table for table in report.tables if table.changed} >= {"messages"}
    assert {table.table for table in report.tables if not table.changed} >= {"conversations"}


def test_a_table_with_a_trigger_is_filled_source_by_source(files, database, sent):
    migrate(replace(files, sources=tuple(files.sources[0] / name for name in ("000.db", "001.db"))))
    database.query(
        """CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER seen AFTER INSERT ON metrics FOR EACH STATEMENT EXECUTE FUNCTION seen()"""
    )
    sent.clear()
    assert migrate(files).verdict == "verified"
    assert database.value("SELECT count(*) FROM metrics") == 10 * FILES
    assert of(sent, 'LOCK TABLE "public"."metrics"') >= FILES - 2
    assert of(sent, 'LOCK TABLE "public"."conversations"') == 1


def test_sources_that_hold_the_same_key_are_still_told_apart(database, files):
    first, second = (files.sources[0] / name for name in ("000.db", "001.db"))
    with closing(sqlite3.connect(second)) as connection:
        connection.execute("UPDATE metrics SET id = 1, note = 'mine' WHERE id = (SELECT min(id) FROM metrics)")
        connection.commit()
    report = migrate(replace(files, sources=(first, second)))
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 1)
    assert database.value("SELECT source FROM howdah.quarantine") == "bench:001.db"
    assert database.value("SELECT count(*) FROM metrics") == 19


def test_a_row_that_is_gone_is_noticed_whichever_source_it_came_from(database, files):
    migrate(files)
    database.query("DELETE FROM metrics WHERE id = (SELECT min(id) FROM metrics)")
    report = migrate(files)
    assert (report.verdict, report.changed) == ("verified", True)
    assert database.value("SELECT count(*) FROM metrics") == FILES * 10
    assert not migrate(files).changed


def test_a_worker_keeps_its_connection(make_source, database, sent):
    tables = "".join(
        f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v); INSERT INTO t{n} VALUES (1, 2);" for n in range(30)
    )
    assert migrate(Request((make_source(tables),), database.dsn, jobs=2)).verdict == "verified"
    assert sent["connect"] <= 3


@pytest.mark.parametrize(
    ("mutation", "kind"),
    [
        ("UPDATE metrics SET value = value + 1 WHERE id = (SELECT min(id) FROM metrics)", "different"),
        ("DELETE FROM metrics WHERE id = (SELECT max(id) FROM metrics)", "missing"),
        ("UPDATE metrics SET id = id + 1000000 WHERE id = (SELECT min(id) FROM metrics)", "missing"),
    ],
)
def test_a_difference_in_one_of_many_sources_is_found_and_named(database, files, mutation, kind):
    assert migrate(files).verdict == "verified"
    database.query(mutation)
    report = verify(files)
    assert report.verdict == "different"
    assert [(found.kind, found.table) for found in report.differences] == [(kind, "metrics")]


def test_rows_of_others_among_those_of_many_sources_raise_no_alarm(database, files):
    assert migrate(files).verdict == "verified"
    database.query("INSERT INTO metrics SELECT (jsonb_populate_record(m, '{\"id\": 999999}')).* FROM metrics m LIMIT 1")
    report = verify(files)
    assert report.verdict == "verified"


def test_a_small_table_takes_few_statements(make_source, database, sent):
    def tables(count):
        return "".join(
            f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t{n} VALUES (7, 2);"
            for n in range(count)
        )

    assert migrate(Request((make_source(tables(5)),), database.dsn, schema="few")).verdict == "verified"
    few = sent.total()
    sent.clear()
    assert migrate(Request((make_source(tables(105), "more.db"),), database.dsn, schema="more")).verdict == "verified"
    # Create, lock, look, copy, two of the ledger, read back.
    assert sent.total() - few <= 100 * 7 + 10
    assert of(sent, "ANALYZE") == of(sent, "setval(") - 1 == 1
    assert database.value("INSERT INTO more.t104 (v) VALUES (9) RETURNING id") == 8


def test_a_row_that_should_be_gone_is_found_among_many_sources(database, files):
    assert migrate(files).verdict == "verified"
    with closing(sqlite3.connect(files.sources[0] / "005.db")) as connection:
        connection.execute("DELETE FROM metrics WHERE id = (SELECT min(id) FROM metrics)")
        connection.commit()
    report = verify(files)
    assert [(found.kind, found.source) for found in report.differences] == [("left_over", "bench:005.db")]
