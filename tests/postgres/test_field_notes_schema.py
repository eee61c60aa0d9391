"""What others' migrations did to schemas: field notes 2, 3, 4, 13, 14, 15, 18 and 23, a test for each."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from howdah.pipeline import Request, migrate


def moved(database, source, **options):
    request = Request((source,), database.dsn, **options)
    report = migrate(request)
    assert migrate(request).changed is False
    return report


def test_note_02_sequences_go_on_where_sqlite_would(database, make_source):
    source = make_source(
        """CREATE TABLE empty (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
           CREATE TABLE deleted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
           CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT);
           INSERT INTO deleted VALUES (90, 'x'); DELETE FROM deleted; INSERT INTO plain VALUES (7, 'x');"""
    )
    moved(database, source)
    following = [
        database.value(f"INSERT INTO {table} (v) VALUES ('y') RETURNING id") for table in ("empty", "deleted", "plain")
    ]
    assert following == [1, 91, 8]


def test_note_03_orphans_that_sqlite_never_refused(database, make_source):
    source = make_source(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p)",
        p=[(1,)],
        c=[(1, 1), (2, 9), (3, None)],
    )
    report = moved(database, source)
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 1)
    assert database.query("SELECT source_key, code FROM howdah.quarantine") == [({"id": 2}, "orphan")]
    assert database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'c_p_fkey'") is True


def test_note_04_children_first_cycles_and_composite_keys(database, make_source):
    source = make_source(
        """CREATE TABLE a_child (id INTEGER PRIMARY KEY, x INT, y INT, FOREIGN KEY (x, y) REFERENCES z_parent (x, y));
           CREATE TABLE z_parent (x INT, y INT, best INT REFERENCES a_child DEFERRABLE INITIALLY DEFERRED,
             PRIMARY KEY (x, y));
           CREATE TABLE tree (id INTEGER PRIMARY KEY, up INT REFERENCES tree NOT DEFERRABLE INITIALLY DEFERRED);""",
        a_child=[(1, 1, 2), (2, 1, 1)],
        z_parent=[(1, 1, 2), (1, 2, 1)],
        tree=[(1, 2), (2, 3), (3, 3)],
    )
    assert moved(database, source).verdict == "verified"
    ours = "contype = 'f' AND connamespace = 'public'::regnamespace"
    made = database.query(f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE {ours}")
    assert sorted(definition for (definition,) in made) == [
        "FOREIGN KEY (best) REFERENCES a_child(id) DEFERRABLE INITIALLY DEFERRED",
        "FOREIGN KEY (up) REFERENCES tree(id)",
        "FOREIGN KEY (x, y) REFERENCES z_parent(x, y)",
    ]


def test_note_13_names_that_are_no_names(database, make_source):
    long = "n" * 80
    source = make_source(
        f"""CREATE TABLE "Select" ("from" INT, "1st" INT, "a ""b" INT, "x y" INT, {long}1 INT, {long}2 INT,
              "Ä" INT, "ä" INT);
            INSERT INTO "Select" VALUES (1, 2, 3, 4, 5, 6, 7, 8)"""
    )
    report = moved(database, source)
    assert report.verdict == "verified"
    assert database.query('SELECT * FROM "select"') == [(1, 2, 3, 4, 5, 6, 7, 8)]
    renamed = {f.column for f in report.findings if f.code == "renamed"}
    assert renamed == {f"{long}1", f"{long}2", "Ä"}


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [
        ("", "text"),
        ("number", "numeric"),
        ("INTEGER_OR_TEXT", "bigint"),
        ("[VARCHAR(MAX)]", "text"),
        ("UNSIGNED BIG INT", "bigint"),
        ("VARYING CHARACTER(255)", "character varying(255)"),
        ("LONGTEXT", "text"),
    ],
)
def test_note_14_odd_declared_types(database, make_source, declared, wanted):
    moved(database, make_source(f"CREATE TABLE t (c {declared})"))
    query = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c'"
    assert database.value(query) == wanted


def test_note_15_defaults(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
             b TEXT DEFAULT (datetime('now')),
             c INT DEFAULT (strftime('%s', 'now')), d TEXT DEFAULT 'null', e INT DEFAULT ((1 + 2) * 3))"""
    )
    assert moved(database, source).findings == ()
    database.query("INSERT INTO t (id) VALUES (1)")
    recent = "abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - a)) < 9 AND abs(extract(epoch FROM now()) - c) < 9"
    assert database.value(f"SELECT {recent} AND b LIKE '____-__-__ __:__:__' FROM t") is True
    assert database.query("SELECT d, e FROM t") == [("null", 9)]


def test_note_18_a_text_key_with_several_nulls(database, make_source):
    source = make_source("CREATE TABLE t (k TEXT PRIMARY KEY, v INT)", t=[(None, 1), (None, 1), ("a", 2)])
    report = moved(database, source)
    assert report.verdict == "verified"
    assert "null_in_key" in {f.code for f in report.findings}
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.query("INSERT INTO t VALUES ('a', 3)")


def test_note_23_rowids_at_both_ends_and_tables_without(database, make_source):
    ends = [-(2**63), -1, 0, 2**63 - 2, 2**63 - 1]
    source = make_source(
        """CREATE TABLE keyed (id INTEGER PRIMARY KEY, v INT); CREATE TABLE bare (v INT);
           CREATE TABLE without (a TEXT, b INT, v INT, PRIMARY KEY (b, a)) WITHOUT ROWID;""",
        keyed=[(end, 1) for end in ends],
        without=[("x", 2, 1), ("a", 1, 2), ("é", -1, 3)],
    )
    with sqlite3.connect(source) as connection:
        connection.executemany("INSERT INTO bare (rowid, v) VALUES (?, ?)", [(end, end) for end in ends])
    assert moved(database, source).verdict == "verified"
    assert [row for (row,) in database.query("SELECT id FROM keyed ORDER BY id")] == ends
    assert [row for (row,) in database.query("SELECT v FROM bare ORDER BY v")] == ends
    assert database.value("SELECT count(*) FROM without") == 3


def test_note_23_statistics_of_sqlite_are_left_behind(database, make_source):
    source = make_source("CREATE TABLE t (a INT UNIQUE); INSERT INTO t VALUES (1); ANALYZE")
    report = moved(database, source)
    assert [table.table for table in report.tables] == ["t"]
    assert report.findings == ()
