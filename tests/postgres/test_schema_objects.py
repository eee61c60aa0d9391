"""Indexes, CHECKs, generated columns and defaults of a source, read back from the target's catalog."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from howdah.pipeline import Request, migrate, plan


def moved(database, source, **options):
    """Migrate, make sure that a second run changes nothing and finds the same, and return the report."""
    request = Request((source,), database.dsn, **options)
    report = migrate(request)
    again = migrate(request)
    assert (again.verdict, again.changed) == (report.verdict, False)
    assert not plan(request).pending
    assert schema_findings(again) == schema_findings(report)
    return report


def schema_findings(report):
    return {(f.code, f.message) for f in report.findings if f.code.endswith(("_not_moved", "_as_values", "_column"))}


def codes(report):
    return sorted(finding.code for finding in report.findings)


def indexes(database):
    return {
        name: definition.partition(" USING ")[2]
        for name, definition in database.query("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    }


def test_partial_and_expression_indexes_stay_what_they_are(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT, gone INT, at TEXT);
           CREATE UNIQUE INDEX live ON t (email) WHERE gone IS NULL;
           CREATE UNIQUE INDEX shout ON t (upper(email), gone) WHERE gone > 0;
           CREATE INDEX newest ON t (at DESC, id);
           CREATE UNIQUE INDEX one_at ON t (at DESC);
           CREATE INDEX folded ON t (email COLLATE NOCASE);""",
        t=[(1, "a", None, "x"), (2, "a", 1, "y"), (3, "a", 2, "z"), (4, "b", None, None)],
    )
    report = moved(database, source)
    assert report.verdict == "verified"
    assert codes(report) == []
    assert indexes(database) == {
        "t_pkey": "btree (id)",
        "live": "btree (email) WHERE (gone IS NULL)",
        "shout": 'btree (upper((email COLLATE "C")), gone) WHERE (gone > 0)',
        "newest": "btree (at DESC, id)",
        "one_at": "btree (at DESC)",
        "folded": 'btree (lower((email COLLATE "C")))',
    }
    partial = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indpred IS NOT NULL ORDER BY 1"
    assert database.query(partial) == [("live",), ("shout",)]
    database.query("INSERT INTO t VALUES (5, 'a', 3)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.query("INSERT INTO t VALUES (6, 'b', NULL)")


def test_an_index_that_may_mean_something_else_is_reported_with_its_sql(database, make_source):
    source = make_source(
        """CREATE TABLE t (a INT, b TEXT); CREATE INDEX odd ON t (round(a / 3.0));
           CREATE INDEX late ON t (b COLLATE RTRIM) WHERE b <> '';"""
    )
    report = moved(database, source)
    found = {f.sql: f.message for f in report.findings if f.code == "index_not_moved"}
    assert found == {
        "CREATE INDEX odd ON t (round(a / 3.0))": "The index odd does not move: it uses round().",
        "CREATE INDEX late ON t (b COLLATE RTRIM) WHERE b <> ''": (
            "The index late does not move: text compares by collation RTRIM."
        ),
    }
    assert indexes(database) == {}


def test_what_only_the_server_refuses_is_reported_and_not_tried_again(database, make_source):
    # to_char() is not immutable, so PostgreSQL builds no index on it; nor does it default to it in a CHECK's stead.
    source = make_source(
        """CREATE TABLE t (at DATETIME, y TEXT AS (strftime('%Y', at)) STORED);
           CREATE INDEX by_year ON t (strftime('%Y', at));"""
    )
    with_rows = [f"INSERT INTO t (at) VALUES ('202{n}-01-01 00:00:00');" for n in range(3)]
    with sqlite3.connect(source) as connection:
        connection.executescript("".join(with_rows))
    report = moved(database, source)
    assert report.verdict == "verified"
    messages = {f.code: f.message for f in report.findings if f.code.endswith(("_not_moved", "_as_values"))}
    assert "PostgreSQL says: functions in index expression must be marked IMMUTABLE" in messages["index_not_moved"]
    assert "PostgreSQL says: generation expression is not immutable" in messages["generated_as_values"]
    assert database.query("SELECT y FROM t ORDER BY 1") == [("2020",), ("2021",), ("2022",)]
    recorded = database.query("SELECT kind, name FROM howdah.object WHERE kind LIKE 'refused%' ORDER BY 1")
    assert recorded == [("refused generated", "y"), ("refused index", "by_year")]


def test_checks_are_kept_by_the_target(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, qty INT CHECK (qty >= 0), flag BOOLEAN CHECK (flag IN (0, 1)),
             kind TEXT CONSTRAINT "Known Kind" CHECK (kind IN ("a", 'b')), doc JSON CHECK (json_valid(doc)),
             CHECK (qty < 10 OR kind LIKE 'B'), CHECK (round(qty) = qty))""",
        t=[(1, 3, 1, "a", "{}"), (2, 11, 0, "b", "1"), (3, None, None, None, "[]")],
    )
    report = moved(database, source)
    assert report.verdict == "verified"
    checks = database.query("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 't'::regclass")
    assert {name for (name,) in checks} == {"t_qty_check", "t_flag_check", "known kind", "t_doc_check", "t_check"}
    lost = [f for f in report.findings if f.code == "check_not_moved"]
    assert [(f.message, f.sql) for f in lost] == [
        ("A CHECK constraint of t does not move: it uses round().", "CHECK (round(qty) = qty)")
    ]
    with pytest.raises(psycopg.errors.CheckViolation, match="t_check"):
        database.query("INSERT INTO t VALUES (9, 10, true, 'a', '{}')")


def test_rows_that_break_a_check_go_to_quarantine(database, make_source):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT, CHECK (a / b < 5), CHECK (a * b < 99))")
    with sqlite3.connect(source) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, 4, 1), (2, 9, 1), (3, 9, 0), (4, 2**62, 2**62)])
    report = moved(database, source)
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 2)
    rows = database.query("SELECT locator, code, reason FROM howdah.quarantine ORDER BY 1")
    assert [row[:2] for row in rows] == [(2, "check"), (4, "check")]
    assert rows[0][2] == "The row breaks the constraint t_check."
    assert rows[1][2].endswith(": bigint out of range.")
    assert database.query("SELECT id FROM t ORDER BY 1") == [(1,), (3,)]


def test_generated_columns_compute_in_the_target(database, make_source):
    source = make_source(
        """CREATE TABLE line (id INTEGER PRIMARY KEY, qty INT, price REAL, total REAL AS (qty * price) STORED,
             label TEXT GENERATED ALWAYS AS ('#' || id) VIRTUAL, big BOOLEAN AS (qty > 10),
             twice INT AS (length(label)), odd TEXT AS (price || ''), UNIQUE (label))"""
    )
    with sqlite3.connect(source) as connection:
        connection.executemany("INSERT INTO line (qty, price) VALUES (?, ?)", [(2, 0.1), (30, 1.5), (None, 3.0)])
    report = moved(database, source)
    assert report.verdict == "verified"
    computed = "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'line'::regclass"
    assert database.value(computed + " AND attgenerated = 's'") == ["total", "label", "big"]
    lost = {f.column: (f.message, f.sql) for f in report.findings if f.code == "generated_as_values"}
    assert lost["twice"] == (
        "line.twice is computed by SQLite and moves as plain values: its formula uses another computed column.",
        "length(label)",
    )
    assert lost["odd"][1] == "price || ''"
    assert database.query("SELECT total, label, big, twice, odd FROM line ORDER BY id") == [
        (0.2, "#1", False, 2, "0.1"),
        (45.0, "#2", True, 2, "1.5"),
        (None, "#3", None, 2, "3.0"),
    ]
    database.query("INSERT INTO line (id, qty, price) VALUES (9, 11, 2)")
    assert database.query("SELECT total, label, big FROM line WHERE id = 9") == [(22.0, "#9", True)]


def test_changes_of_rows_with_generated_columns_move(database, make_source, change):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT AS (a + 1) STORED)")
    change(source, "INSERT INTO t (a) VALUES (1), (2), (3)")
    moved(database, source)
    change(source, "UPDATE t SET a = 20 WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t (a) VALUES (5)")
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, report.changed) == ("verified", True)
    assert database.query("SELECT * FROM t ORDER BY 1") == [(1, 1, 2), (2, 20, 21), (3, 5, 6)]


def test_defaults_in_parentheses_and_functions_work(database, make_source):
    source = make_source(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, a INT DEFAULT (1 + 1), b TEXT DEFAULT (strftime('%Y', 'now')),
             c INTEGER DEFAULT (strftime('%s', 'now')), d DATETIME DEFAULT (datetime('now')), e TEXT DEFAULT 'null',
             f TEXT DEFAULT (lower(hex(randomblob(16)))), g BOOL DEFAULT 0)"""
    )
    report = moved(database, source)
    assert [(f.code, f.column, f.sql) for f in report.findings] == [
        ("default_not_moved", "f", "lower(hex(randomblob(16)))")
    ]
    row = database.query("INSERT INTO t (id) VALUES (1) RETURNING a, b = to_char(now(), 'YYYY'), e, f, g")
    assert row == [(2, True, "null", None, False)]
    assert database.value("SELECT abs(c - extract(epoch FROM now())) < 5 AND now()::timestamp - d < '5 s' FROM t")


def test_keys_without_case_fold_a_to_z_and_nothing_else(database, make_source):
    source = make_source(
        """CREATE TABLE tag (name TEXT COLLATE NOCASE PRIMARY KEY, code TEXT UNIQUE COLLATE NOCASE,
             note TEXT COLLATE RTRIM);
           CREATE TABLE used (tag TEXT COLLATE NOCASE REFERENCES tag, code TEXT REFERENCES tag(code));
           CREATE INDEX by_tag ON used (tag); CREATE INDEX exactly ON used (tag COLLATE BINARY);""",
        tag=[("Red", "É", "a"), ("blue", "é", "b ")],
        used=[("Red", "é"), ("blue", None)],
    )
    report = moved(database, source)
    assert report.verdict == "verified"
    assert indexes(database) == {
        "tag_pkey": "btree (name)",
        "tag_name_nocase_key": 'btree (lower((name COLLATE "C")))',
        "tag_code_key": "btree (code)",
        "tag_code_nocase_key": 'btree (lower((code COLLATE "C")))',
        "by_tag": 'btree (lower((tag COLLATE "C")))',
        "exactly": "btree (tag)",
    }
    found = {(f.code, f.column) for f in report.findings}
    assert found >= {("nocase_column", "name"), ("nocase_column", "code"), ("collation_not_moved", "note")}
    for clash in ("('RED', 'x')", "('x', 'É')"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            database.query(f"INSERT INTO tag VALUES {clash}")
    plan = database.query("""EXPLAIN SELECT 1 FROM tag WHERE lower(name COLLATE "C") = lower('rED')""")
    assert "lower" in str(plan)


def test_a_row_that_clashes_without_case_waits_in_quarantine(database, make_source, change):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE COLLATE NOCASE)", t=[(1, "a"), (2, "B")]
    )
    moved(database, source)
    database.query("INSERT INTO t VALUES (9, 'New')")
    change(source, "INSERT INTO t VALUES (3, 'NEW')")
    report = migrate(Request((source,), database.dsn))
    assert (report.verdict, report.quarantined_rows) == ("quarantined", 1)
    assert database.query("SELECT code FROM howdah.quarantine") == [("unique_conflict",)]


def test_views_are_made_in_the_order_that_they_need(database, make_source):
    source = make_source(
        """CREATE TABLE Person (Id INTEGER PRIMARY KEY, Name TEXT, Boss INT REFERENCES Person, Born DATETIME, Pay REAL);
           CREATE VIEW a_top AS SELECT * FROM z_all WHERE boss IS NULL;
           CREATE VIEW z_all (key, "Full Name", boss) AS SELECT id, "name" || '!', p.boss FROM person p
             ORDER BY name DESC;
           CREATE VIEW pay AS SELECT boss, count(*) AS n, sum(pay) total, avg(id), max(name) FROM Person GROUP BY boss;
           CREATE VIEW pairs AS WITH b(id, n) AS (SELECT id, name FROM person)
             SELECT p.name, b.n AS boss, p.pay > 1 AS rich FROM person p LEFT JOIN b ON b.id = p.boss
             WHERE EXISTS (SELECT 1 FROM person x WHERE x.id >= p.id) AND p.id IN (SELECT id FROM b) LIMIT 9;
           CREATE VIEW sides AS SELECT id, 'x' kind FROM person UNION ALL SELECT boss, 'y' FROM person WHERE boss > 0;
           CREATE VIEW lately AS SELECT max(born) FROM person; CREATE VIEW of_lately AS SELECT * FROM lately;
           CREATE VIEW loose AS SELECT name, id, count(*) FROM person GROUP BY name;
           CREATE VIEW dead AS SELECT * FROM gone;""",
        Person=[(1, "Ann", None, "2020-01-01 00:00:00", 2.5), (2, "bob", 1, None, 0.5), (3, "Zed", 1, None, None)],
    )
    report = moved(database, source)
    assert report.verdict == "verified"
    with sqlite3.connect(source) as connection:
        for view in ("a_top", "z_all", "pay", "pairs", "sides"):
            wanted = connection.execute(f"SELECT * FROM {view}").fetchall()
            found = database.query(f"SELECT * FROM {view}")
            assert (found if view == "z_all" else sorted(found, key=repr)) == (
                wanted if view == "z_all" else sorted(wanted, key=repr)
            ), view
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'z_all'::regclass ORDER BY attnum"
    assert database.query(columns) == [("key",), ("full name",), ("boss",)]
    lost = {f.table: (f.message, f.sql.split()[2]) for f in report.findings if f.code == "view_not_moved"}
    assert lost.pop("loose")[0].startswith("The view loose does not move: PostgreSQL says: column ")
    assert {name: message for name, (message, _) in lost.items()} == {
        "lately": "The view lately does not move: it looks for the max of values of kind timestamp (BINARY).",
        "of_lately": "The view of_lately does not move: it reads lately, which does not move.",
        "dead": "The view dead does not move: SQLite itself says: no such table: main.gone.",
    }
    assert {name: word for name, (_, word) in lost.items()} == {name: name for name in lost}


SEARCHED = """
CREATE VIRTUAL TABLE notes USING fts5(title, body, tag UNINDEXED, tokenize = 'porter');
INSERT INTO notes (rowid, title, body, tag) VALUES (7, 'Running', 'it''s a dog', 'x'), (90, NULL, '', 'y');
CREATE VIRTUAL TABLE old USING fts4(head, lang, languageid='lid');
INSERT INTO old (docid, head, lid) VALUES (3, 'Größe', 2);
CREATE TABLE doc (id INTEGER PRIMARY KEY, txt TEXT); INSERT INTO doc VALUES (1, 'some words');
CREATE VIRTUAL TABLE doc_index USING fts5(txt, content='doc', content_rowid='id');
CREATE VIRTUAL TABLE words USING fts5(w, content='');
CREATE VIRTUAL TABLE area USING rtree(id, x0, x1, y0, y1, +label TEXT);
INSERT INTO area VALUES (5, 0.5, 1.5, 2, 3, 'a');
CREATE TRIGGER keep AFTER INSERT ON doc BEGIN INSERT INTO doc_index (rowid, txt) VALUES (new.id, new.txt); END;
ANALYZE;
"""


def test_rows_of_full_text_and_r_tree_tables_move(database, make_source):
    report = moved(database, make_source(SEARCHED))
    assert report.verdict == "verified"
    assert {table.table: table.loaded_rows for table in report.tables} == {"notes": 2, "old": 1, "doc": 1, "area": 1}
    assert database.query("SELECT * FROM notes ORDER BY 1") == [(7, "Running", "it's a dog", "x"), (90, None, "", "y")]
    assert database.query("SELECT rowid, head, lid FROM old") == [(3, "Größe", 2)]
    assert database.query("SELECT * FROM area") == [(5, 0.5, 1.5, 2.0, 3.0, "a")]
    assert (
        database.value("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        == 4
    )


def test_what_virtual_tables_lose_is_reported_and_an_index_offered(database, make_source):
    report = moved(database, make_source(SEARCHED))
    found = {(f.code, f.table): f for f in report.findings}
    assert found["virtual_table_moved", "notes"].sql.startswith("CREATE VIRTUAL TABLE notes")
    assert "index of doc" in found["virtual_table_not_moved", "doc_index"].message
    assert "no text" in found["virtual_table_not_moved", "words"].message
    assert found["trigger_not_moved", "doc"].sql.startswith("CREATE TRIGGER keep")
    shadows = [f.message for f in report.findings if f.code == "shadow_tables_skipped"]
    assert len(shadows) == 1
    assert all(
        name in shadows[0] for name in ("notes_content", "doc_index_data", "words_idx", "area_node", "old_segdir")
    )
    offered = {f.table: f.sql for f in report.findings if f.code == "index_offered"}
    assert set(offered) == {"notes", "old", "doc_index", "area"}
    for statement in offered.values():
        database.query(statement)
    words = "to_tsvector('english', coalesce(title::text, '') || ' ' || coalesce(body::text, ''))"
    assert database.query(f"SELECT rowid FROM notes WHERE {words} @@ plainto_tsquery('english', 'run')") == [(7,)]


def test_a_virtual_table_of_an_unknown_module_is_reported(database, make_source):
    source = make_source("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    with sqlite3.connect(source) as connection:
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute(
            """INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql)
               VALUES ('table', 'odd', 'odd', 0, 'CREATE VIRTUAL TABLE odd USING nobody_has(x)')"""
        )
    report = moved(database, source)
    lost = [(f.code, f.message, f.sql) for f in report.findings]
    assert lost == [
        (
            "virtual_table_not_moved",
            "The virtual table odd cannot be read: no such module: nobody_has.",
            "CREATE VIRTUAL TABLE odd USING nobody_has(x)",
        )
    ]
