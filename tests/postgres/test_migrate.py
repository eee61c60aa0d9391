"""Whole migrations without an application folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from psycopg import conninfo

from howdah import direct
from howdah.errors import ConfigurationError, TargetRefused, VerificationFailed
from howdah.pipeline import Request, migrate, plan, verify

CHINOOK = """
CREATE TABLE [Artist] ([ArtistId] INTEGER NOT NULL, [Name] NVARCHAR(120),
  CONSTRAINT [PK_Artist] PRIMARY KEY ([ArtistId]));
CREATE TABLE [Album] ([AlbumId] INTEGER NOT NULL, [Title] NVARCHAR(160) NOT NULL, [ArtistId] INTEGER NOT NULL,
  CONSTRAINT [PK_Album] PRIMARY KEY ([AlbumId]), FOREIGN KEY ([ArtistId]) REFERENCES [Artist] ([ArtistId]));
CREATE INDEX [IFK_AlbumArtistId] ON [Album] ([ArtistId]);
INSERT INTO Album VALUES (1, 'Größe', 7), (2, 'Für Elise', 7);
INSERT INTO Artist VALUES (7, 'AC/DC'), (9, NULL);
"""


def test_every_row_and_value_arrives(database, make_source):
    report = migrate(Request((make_source(CHINOOK),), database.dsn))
    assert (report.verdict, report.exit_code, report.changed) == ("verified", 0, True)
    assert database.query("SELECT * FROM album ORDER BY 1") == [(1, "Größe", 7), (2, "Für Elise", 7)]
    assert database.query("SELECT * FROM artist ORDER BY 1") == [(7, "AC/DC"), (9, None)]


@pytest.mark.parametrize("frozen", [True, False])
def test_many_rows_arrive_frozen_where_the_server_does_it(database, make_source, monkeypatch, frozen):
    if not frozen:
        # It freezes what is new or emptied, and this is neither.
        monkeypatch.setattr(direct, "attempt", lambda *_: True)
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY)", t=[(n,) for n in range(25_000)])
    assert migrate(Request((source,), database.dsn)).tables[0].loaded_rows == 25_000
    pages, visible = database.query("SELECT relpages, relallvisible FROM pg_class WHERE relname = 't'")[0]
    assert pages > 50
    assert visible == (pages if frozen else 0)
    assert verify(Request((source,), database.dsn)).exit_code == 0


def test_keys_indexes_and_foreign_keys_arrive(database, make_source):
    migrate(Request((make_source(CHINOOK),), database.dsn))
    definitions = {
        row[0]
        for row in database.query(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        )
    }
    assert definitions == {
        "PRIMARY KEY (artistid)",
        "PRIMARY KEY (albumid)",
        "FOREIGN KEY (artistid) REFERENCES artist(artistid)",
    }
    assert database.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'ifk_albumartistid'") == 1


def test_new_rows_get_ids_past_the_largest(database, make_source):
    migrate(Request((make_source(CHINOOK),), database.dsn))
    assert database.value("INSERT INTO artist (name) VALUES ('new') RETURNING artistid") == 10


def test_the_high_water_mark_outlives_deleted_rows(database, make_source):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO t VALUES (41, 'x'); DELETE FROM t;"
    )
    migrate(Request((source,), database.dsn))
    assert database.value("INSERT INTO t (v) VALUES ('y') RETURNING id") == 42


def test_rows_in_the_wal_arrive_while_a_writer_goes_on(database, make_source):
    source = make_source("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO t VALUES (1, 'committed')")
        writer.commit()
        writer.execute("INSERT INTO t VALUES (2, 'not yet')")
        before = source.read_bytes()
        report = migrate(Request((source,), database.dsn))
        assert source.read_bytes() == before
        writer.commit()
    assert report.verdict == "verified"
    assert database.query("SELECT * FROM t") == [(1, "committed")]


def test_odd_names_arrive_and_are_reported(database, make_source):
    source = make_source('CREATE TABLE "Order Lines" ("select" TEXT, "1st" INT PRIMARY KEY, "100%s" TEXT, "ä""b" INT)')
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("""INSERT INTO "Order Lines" VALUES ('a', 1, 'b', 2)""")
        connection.commit()
    report = migrate(Request((source,), database.dsn))
    assert report.verdict == "verified"
    assert database.query('SELECT * FROM "order lines" WHERE "ä""b" = 2 AND "select" = $$a$$') == [("a", 1, "b", 2)]


def test_a_table_without_a_key_moves_as_a_multiset(database, make_source):
    rows = [("a", 1), ("a", 1), (None, None), ("b", 2)]
    source = make_source("CREATE TABLE log (v TEXT, n INT)", log=rows)
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert sorted(database.query("SELECT v, n FROM log"), key=str) == sorted(rows, key=str)
    assert migrate(Request((source,), database.dsn)).changed is False


def test_tables_that_refer_to_each_other_move(database, make_source):
    source = make_source(
        """CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES b(id));
           CREATE TABLE b (id INTEGER PRIMARY KEY, a INT REFERENCES a(id), boss INT REFERENCES b(id));""",
        a=[(1, 2), (2, 1)],
        b=[(1, 1, 2), (2, 2, 1)],
    )
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    assert (
        database.value(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND connamespace ="
            " 'public'::regnamespace"
        )
        == 3
    )


def test_parallel_workers_give_the_same(database, make_source):
    script = "".join(
        f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, p INT REFERENCES t{max(n - 4, 0)}(id));" for n in range(12)
    )
    source = make_source(script, **{f"t{n}": [(i, None if n < 4 else i) for i in range(50)] for n in range(12)})
    report = migrate(Request((source,), database.dsn, jobs=4))
    assert (report.verdict, sum(t.loaded_rows for t in report.tables)) == ("verified", 600)


def test_every_storage_class_arrives_unchanged(database, make_source):
    big, tiny = 2**63 - 1, 5e-324
    source = make_source(
        "CREATE TABLE v (id INTEGER PRIMARY KEY, i INTEGER, r, t TEXT, b BLOB, n NUMERIC)",
        v=[
            # In a column declared REAL SQLite itself would store −0.0 as the integer 0.
            (-5, -(2**63), -0.0, "", b"", 1),
            (2**62, big, tiny, " trailing ", b"\x00\xff", 0.1),
            (7, 0, float("inf"), "tab\tnew\nline\\N", b"\\x", -3.25),
            (8, None, None, None, None, None),
        ],
    )
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    rows = database.query("SELECT i, r::text, t, b FROM v ORDER BY id")
    assert rows[0] == (-(2**63), "-0", "", b"")
    assert rows[1] == (0, "Infinity", "tab\tnew\nline\\N", b"\\x")
    assert rows[3] == (big, "5e-324", " trailing ", b"\x00\xff")


def test_views_triggers_and_virtual_tables_are_reported_with_their_sql(database, make_source):
    source = make_source("""CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
           CREATE VIEW big AS SELECT round(id) FROM t;
           CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = 0; END;
           CREATE VIRTUAL TABLE fts USING fts5(v);
           CREATE INDEX odd ON t (v) WHERE round(id) > 5;""")
    found = {finding.code: finding.sql for finding in migrate(Request((source,), database.dsn)).findings}
    assert found["view_not_moved"].startswith("CREATE VIEW big")
    assert found["trigger_not_moved"].startswith("CREATE TRIGGER tr")
    assert found["virtual_table_moved"].startswith("CREATE VIRTUAL TABLE fts")
    assert "WHERE round(id) > 5" in found["index_not_moved"]


def test_plan_changes_nothing_and_tells_what_would(database, make_source):
    request = Request((make_source(CHINOOK),), database.dsn)
    made = plan(request)
    assert made.pending
    assert {table.table.name for table in made.tables} == {"Artist", "Album"}
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert database.value("SELECT to_regnamespace('howdah')") is None
    migrate(request)
    assert plan(request).pending is False


def test_a_schema_of_its_own_is_made(database, make_source):
    request = Request((make_source(CHINOOK),), database.dsn, schema="music")
    assert migrate(request).verdict == "verified"
    assert database.value("SELECT count(*) FROM music.album") == 2


def test_tables_of_others_in_the_way_are_refused_and_kept(database, make_source):
    database.query("CREATE TABLE album (mine int)")
    with pytest.raises(TargetRefused, match="album"):
        migrate(Request((make_source(CHINOOK),), database.dsn))
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 1


def test_two_sources_with_the_same_table_are_refused(database, make_source):
    one, two = make_source("CREATE TABLE t (a)", "one.db"), make_source("CREATE TABLE T (a)", "two.db")
    with pytest.raises(ConfigurationError, match=r"one\.db and two\.db"):
        migrate(Request((one, two), database.dsn))


def test_verify_before_migrate_is_an_answer_not_a_crash(database, make_source):
    with pytest.raises(VerificationFailed, match="not migrated yet"):
        verify(Request((make_source(CHINOOK),), database.dsn))


def test_snapshots_are_removed_whatever_happens(database, make_source, tmp_path: Path):
    work = tmp_path / "work"
    migrate(Request((make_source(CHINOOK),), database.dsn, work_dir=work))
    database.query("DROP SCHEMA howdah CASCADE")
    with pytest.raises(TargetRefused):
        migrate(Request((make_source(CHINOOK, "again.db"),), database.dsn, work_dir=work))
    assert list(work.iterdir()) == []


def test_text_keys_with_nulls_become_a_unique_key(database, make_source):
    source = make_source("CREATE TABLE t (k TEXT PRIMARY KEY, v INT)", t=[(None, 1), (None, 2), ("a", 3)])
    report = migrate(Request((source,), database.dsn))
    assert report.verdict == "verified"
    assert "null_in_key" in {finding.code for finding in report.findings}
    assert migrate(Request((source,), database.dsn)).changed is False


def test_a_role_without_rights_is_told_so_before_anything_happens(database, make_source):
    database.query("CREATE ROLE howdah_poor LOGIN PASSWORD 'for-tests-only'")
    try:
        with pytest.raises(TargetRefused, match="may not create schemas"):
            migrate(Request((make_source(CHINOOK),), conninfo.make_conninfo(database, user="howdah_poor")))
    finally:
        database.query("DROP ROLE howdah_poor")
