"""From SQLite to PostgreSQL and back: what the plan calls lossless is the same again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import conninfo

from howdah import export, ledger, pg
from howdah.cli import main
from howdah.errors import ConfigurationError, LockHeld, TargetRefused
from howdah.pipeline import Request, migrate


@pytest.fixture
def back(database, tmp_path):
    """Return a function that exports to a new file and returns the report."""

    def run(name="back.db", **options):
        return export.export(export.Request(tmp_path / name, database.dsn, **options))

    return run


def content(path):
    """Return what a file holds: table → columns and rows, values with their storage classes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        names = [
            row[0].decode()
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
            )
        ]
        return {
            name: sorted(
                (tuple((type(value).__name__, repr(value)) for value in row))
                for row in connection.execute(f'SELECT * FROM "{name}"')
            )
            for name in names
        }


def schema(path):
    with closing(sqlite3.connect(path)) as connection:
        return set(
            connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
        )


def codes(report):
    return {finding.code for finding in report.findings}


def value(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]


EVERYTHING = """
PRAGMA user_version = 12; PRAGMA application_id = 77;
CREATE TABLE "Order" (Id INTEGER PRIMARY KEY AUTOINCREMENT, "who did" TEXT NOT NULL COLLATE NOCASE,
  paid BOOLEAN DEFAULT 0, total DECIMAL(10, 2), weight REAL, raw BLOB, anything, day DATE, n NUMERIC);
CREATE TABLE line (o INT REFERENCES "Order"(Id) ON DELETE CASCADE, pos INT, v TEXT, PRIMARY KEY (o, pos)) WITHOUT ROWID;
CREATE TABLE log (at INTEGER, what TEXT);
CREATE INDEX by_total ON "Order" (total DESC) WHERE paid;
CREATE UNIQUE INDEX once ON line (v);
CREATE VIEW unpaid AS SELECT Id FROM "Order" WHERE NOT paid;
CREATE TRIGGER gone AFTER DELETE ON "Order" BEGIN INSERT INTO log VALUES (old.Id, 'gone'); END;
INSERT INTO "Order" VALUES (1, 'Größe', 1, 10.25, 0.1, x'00ff', 1.5, '2024-02-29', 7),
  (2, 'b', 0, 10, 1e300, NULL, -0.0, NULL, 0.5), (-3, ' c ', NULL, 3, NULL, x'', 9e99, '2024-03-01', NULL),
  (90, 'x', 0, 0, 0, NULL, 1.0, NULL, 1);
INSERT INTO line VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, NULL), (2, 2, NULL);
INSERT INTO log VALUES (1700000000, 'x'), (1700000000, 'x'), (NULL, NULL);
DELETE FROM "Order" WHERE Id = 90;
"""


def test_a_database_comes_back_as_it_was(database, make_source, back, tmp_path):
    source = make_source(EVERYTHING)
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    report = back()
    assert content(tmp_path / "back.db") == content(source)
    assert schema(tmp_path / "back.db") == schema(source)
    assert [table.table.shape for table in report.tables] == ["original"] * 3
    for pragma in ("user_version", "application_id"):
        assert value(tmp_path / "back.db", f"PRAGMA {pragma}") == value(source, f"PRAGMA {pragma}")
    assert value(tmp_path / "back.db", "SELECT seq FROM sqlite_sequence") == 90
    assert not codes(report) - {"view_not_exported"}
    assert value(tmp_path / "back.db", "PRAGMA integrity_check") == "ok"


def test_rows_of_others_are_part_of_the_schema(database, make_source, back, tmp_path):
    migrate(
        Request(
            (make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')"),), database
        )
    )
    database.query("INSERT INTO t (id, v) VALUES (7, 'theirs')")
    database.query("CREATE TABLE theirs (k uuid PRIMARY KEY, j jsonb)")
    database.query("""INSERT INTO theirs VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": [1, 2.50]}')""")
    report = back()
    assert content(tmp_path / "back.db")["t"] == [
        (("int", "1"), ("bytes", "b'a'")),
        (("int", "7"), ("bytes", "b'theirs'")),
    ]
    assert value(tmp_path / "back.db", "SELECT k || j FROM theirs") == (
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11{"b": [1, 2.50]}'
    )
    assert {table.table.name: table.table.shape for table in report.tables} == {"t": "original", "theirs": "derived"}


def test_rows_in_quarantine_are_missing_and_said_so(database, make_source, back, tmp_path):
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", t=[(1, 1), (2, "no"), (3, 3)])
    assert migrate(Request((source,), database.dsn)).verdict == "quarantined"
    (found,) = [finding for finding in back().findings if finding.code == "quarantined_rows"]
    assert (found.table, found.rows) == ("t", 1)
    assert value(tmp_path / "back.db", "SELECT group_concat(id) FROM t") == "1,3"


def test_what_comes_back_otherwise_is_named(database, make_source, back, tmp_path):
    source = make_source(
        "CREATE TABLE t (at DATETIME, j JSON, u UUID, e INTEGER)",
        t=[("2024-01-01T10:00:00.5Z", '{"a":1}', "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", 1)],
    )
    migrate(Request((source,), database.dsn))
    report = back()
    assert {f.column for f in report.findings if f.code == "not_exact"} == {"at", "j", "u"}
    with closing(sqlite3.connect(tmp_path / "back.db")) as connection:
        assert connection.execute("SELECT * FROM t").fetchone() == (
            "2024-01-01 10:00:00.5+00:00",
            '{"a": 1}',
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            1,
        )
        assert connection.execute("SELECT datetime(at) FROM t").fetchone() == ("2024-01-01 10:00:00",)


def test_changes_in_postgresql_come_back(database, make_source, back, tmp_path):
    migrate(Request((make_source(EVERYTHING),), database.dsn))
    database.query("""UPDATE "order" SET paid = true, total = 99999999.99 WHERE id = -3""")
    database.query("""DELETE FROM line WHERE v = 'a'""")
    assert database.value("""INSERT INTO "order" ("who did") VALUES ('new') RETURNING id""") == 91
    back()
    assert value(tmp_path / "back.db", """SELECT paid || ' ' || total FROM "Order" WHERE Id = -3""") == "1 99999999.99"
    assert value(tmp_path / "back.db", "SELECT count(*) FROM line") == 3
    assert value(tmp_path / "back.db", "SELECT seq FROM sqlite_sequence") == 91


def test_a_column_that_came_later_is_appended_when_it_holds_something(database, make_source, back, tmp_path):
    migrate(
        Request(
            (make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')"),), database
        )
    )
    database.query(
        "ALTER TABLE t ADD COLUMN note text, ADD COLUMN empty int,"
        " ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED"
    )
    database.query("UPDATE t SET note = 'n'")
    report = back()
    assert value(tmp_path / "back.db", "SELECT group_concat(name) FROM pragma_table_info('t')") == "id,v,note"
    assert value(tmp_path / "back.db", "SELECT id || v || note FROM t") == "1an"
    assert "column_added" in codes(report)


def test_what_is_gone_in_postgresql_is_left_empty(database, make_source, back, tmp_path):
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT DEFAULT 'd'); CREATE TABLE old (a);"
        "INSERT INTO t VALUES (1, 'a')"
    )
    migrate(Request((source,), database.dsn))
    database.query("ALTER TABLE t DROP COLUMN v")
    database.query("DROP TABLE old")
    report = back()
    assert value(tmp_path / "back.db", "SELECT v FROM t") == "d"
    assert value(tmp_path / "back.db", "SELECT count(*) FROM old") == 0
    assert {"column_left_empty", "table_left_empty"} <= codes(report)


@pytest.mark.parametrize(
    ("script", "change", "query", "found"),
    [
        # SQLite would round it in a column declared REAL.
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n REAL)",
            "DROP VIEW w; ALTER TABLE t ALTER n TYPE bigint; INSERT INTO t VALUES (1, 9007199254740993)",
            "SELECT n FROM t",
            9007199254740993,
        ),
        # … and make a number of it in a column declared with a word that it does not know.
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n STRING); INSERT INTO t VALUES (2, 'x')",
            "INSERT INTO t VALUES (1, '007')",
            "SELECT n FROM t WHERE id = 1",
            "007",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT CHECK (length(n) < 3)); INSERT INTO t VALUES (2, 'x')",
            "ALTER TABLE t DROP CONSTRAINT IF EXISTS t_n_check; INSERT INTO t VALUES (1, 'long')",
            "SELECT n FROM t WHERE id = 1",
            "long",
        ),
    ],
)
def test_a_table_that_no_longer_fits_its_original_shape_gets_postgresqls(
    database, make_source, back, tmp_path, script, change, query, found
):
    migrate(Request((make_source(script + ";CREATE VIEW w AS SELECT n FROM t"),), database.dsn))
    database.query(change)
    report = back()
    assert "shape_changed" in codes(report)
    assert value(tmp_path / "back.db", query) == found
    assert value(tmp_path / "back.db", "SELECT count(*) FROM w") >= 1


SCHEMA = """
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE DOMAIN mark AS smallint CHECK (VALUE > 0);
CREATE TABLE parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name varchar(20) UNIQUE DEFAULT 'it''s', flag boolean DEFAULT true);
CREATE TABLE child (a int, b uuid, p bigint REFERENCES parent ON DELETE CASCADE, m mark, PRIMARY KEY (a, b));
CREATE TABLE v (t text, vc char(4), r real, d double precision, n numeric, n2 numeric(12,3), ba bytea, j json, jb jsonb,
  c colour, ts timestamp, tz timestamptz, da date, ti time, iv interval, arr int[], ip inet, "T" text, m mark);
CREATE INDEX v_t ON v (t DESC, d);
CREATE INDEX v_expr ON v (lower(t));
CREATE VIEW reds AS SELECT * FROM v WHERE c = 'red';
INSERT INTO parent (name) VALUES ('a'), ('b');
DELETE FROM parent WHERE name = 'b';
INSERT INTO child VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1, 3);
INSERT INTO v VALUES
 ('Größe', 'ab', 0.1, 0.1, 123456789012345678901234567890.5, 1.500, '\\x00ff', '{"a":  1}', '{"a":  1}', 'red',
  '2024-01-01 10:00:00.25', '2024-01-01 10:00:00.25+02', '2024-02-29', '10:00', '1 day 2 hours', '{1,NULL}',
  '10.0.0.1/8', 'up', 1);
INSERT INTO v (t, r, d, n, n2, ba, j, jb, c, ts, tz, da, ti, arr) VALUES
 ('', 'NaN', 'NaN', 'NaN', 7, '', '5', '1.50', 'green', 'infinity', '-infinity', '0044-03-15 BC', '24:00', '{}');
INSERT INTO v (r, d, n, jb, ts, tz, da) VALUES
 ('Infinity', '-Infinity', 'Infinity', '"x"', '0044-03-15 BC', '12024-01-01 00:00:00Z', 'infinity');
INSERT INTO v (r, d, n, n2, jb) VALUES ('-0', '-0', 0.00, -0.001, 'null');
"""


def test_any_schema_can_be_exported(database, back, tmp_path):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    report = back()
    path = tmp_path / "back.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        first, second, third, fourth = connection.execute("SELECT * FROM v ORDER BY rowid").fetchall()
    assert tuple(first) == (
        *("Größe", "ab", 0.10000000149011612, 0.1, "123456789012345678901234567890.5", 1.5, b"\x00\xff"),
        *('{"a":  1}', '{"a": 1}', "red", "2024-01-01 10:00:00.25", "2024-01-01 08:00:00.25+00:00", "2024-02-29"),
        *("10:00:00", "1 day 02:00:00", "{1,NULL}", "10.0.0.1/8", "up", 1),
    )
    assert (second["r"], second["d"], second["n"], second["ts"], second["da"]) == (
        *("NaN", "NaN", "NaN"),
        *("infinity", "0044-03-15 BC"),
    )
    assert (third["d"], third["n"], third["tz"]) == (float("-inf"), "Infinity", "12024-01-01 00:00:00+00")
    assert (fourth["n2"], fourth["n"]) == (-0.001, "0.00")
    assert value(path, "SELECT seq FROM sqlite_sequence") == 2
    assert (
        value(path, 'SELECT group_concat("table" || "on_delete") FROM pragma_foreign_key_list(\'child\')')
        == "parentCASCADE"
    )
    assert (
        value(path, "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('child') WHERE pk ORDER BY pk)")
        == "a,b"
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO parent DEFAULT VALUES")
        assert connection.execute("SELECT * FROM parent ORDER BY id DESC").fetchone() == (3, "it's", 1)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            connection.execute("INSERT INTO parent (name) VALUES ('a')")
        assert {
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        } == {"v_t"}
    assert {"written_as_text", "index_not_exported", "view_not_exported"} <= codes(report)


def test_names_that_sqlite_does_not_tell_apart_are_told_apart(database, back, tmp_path):
    database.query("""CREATE TABLE "Album" ("Id" int, id int)""")
    database.query("CREATE TABLE album (a int)")
    database.query("CREATE TABLE sqlite_x (a int)")
    database.query("""INSERT INTO "Album" VALUES (1, 2)""")
    back()
    assert set(content(tmp_path / "back.db")) == {"Album", "album_2", "x_sqlite_x"}
    assert value(tmp_path / "back.db", "SELECT Id || id_2 FROM Album") == "12"


def test_partitions_and_heirs_are_neither_lost_nor_doubled(database, back, tmp_path):
    database.query("CREATE TABLE part (k int) PARTITION BY LIST (k)")
    database.query("CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)")
    database.query("CREATE TABLE elder (k int)")
    database.query("CREATE TABLE heir () INHERITS (elder)")
    database.query("INSERT INTO part VALUES (1); INSERT INTO elder VALUES (2); INSERT INTO heir VALUES (3)")
    back()
    found = {name: [row[0][1] for row in rows] for name, rows in content(tmp_path / "back.db").items()}
    assert found == {"part": ["1"], "elder": ["2"], "heir": ["3"]}


def test_everything_is_of_one_moment(database, make_source, tmp_path):
    database.query("CREATE TABLE a AS SELECT generate_series(1, 30000) AS n")
    database.query("CREATE TABLE b AS SELECT 1 AS n")
    seen = []

    def interfere(event):
        if event.table and not seen:
            seen.append(event)
            database.query("INSERT INTO b VALUES (2)")
            database.query("DELETE FROM a")

    export.export(export.Request(tmp_path / "back.db", database.dsn), interfere)
    assert seen
    assert (
        value(tmp_path / "back.db", "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)") == "30000 1"
    )


def test_rows_hidden_by_row_level_security_are_refused(database, back, tmp_path):
    database.query("CREATE ROLE howdah_reader LOGIN PASSWORD 'for-tests-only'")
    try:
        database.query("CREATE TABLE t (a int)")
        database.query("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        database.query("GRANT SELECT ON t TO howdah_reader")
        dsn = conninfo.make_conninfo(database, user="howdah_reader")
        with pytest.raises(TargetRefused, match="Row level security"):
            export.export(export.Request(tmp_path / "x.db", dsn))
    finally:
        database.query("DROP OWNED BY howdah_reader")
        database.query("DROP ROLE howdah_reader")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_when_asked(database, back, tmp_path):
    database.query("CREATE TABLE t AS SELECT 1 AS a")
    (tmp_path / "back.db").write_text("precious")
    with pytest.raises(ConfigurationError, match="exists already"):
        back()
    assert (tmp_path / "back.db").read_text() == "precious"
    back(force=True)
    assert value(tmp_path / "back.db", "SELECT a FROM t") == 1


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_a_file_in_use_is_not_replaced(database, back, tmp_path, end):
    (tmp_path / f"back.db{end}").write_bytes(b"pages")
    with pytest.raises(ConfigurationError, match="works on back"):
        back(force=True)


def test_a_failed_run_leaves_nothing_and_a_killed_one_is_written_over(database, back, tmp_path):
    with pytest.raises(ConfigurationError, match="no schema nowhere"):
        back(schema="nowhere")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".back.db.partial").write_bytes(b"left by a killed run" * 1000)
    database.query("CREATE TABLE t AS SELECT 1 AS a")
    back()
    assert [path.name for path in tmp_path.iterdir()] == ["back.db"]
    assert value(tmp_path / "back.db", "PRAGMA integrity_check") == "ok"


def test_a_schema_that_is_being_migrated_is_not_exported(database, make_source, back):
    migrate(Request((make_source(EVERYTHING),), database.dsn))
    with pg.connect(database.dsn) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ledger.lock_key("schema public")])
        with pytest.raises(LockHeld):
            back()


def test_a_name_that_the_ledger_does_not_know_is_refused(database, make_source, back):
    migrate(Request((make_source(EVERYTHING),), database.dsn))
    with pytest.raises(ConfigurationError, match="schema public"):
        back(application="nobody")
    with pytest.raises(ConfigurationError, match=r"shop\.db|shop"):
        back(source="nobody")


def test_the_command_says_what_it_did(database, make_source, tmp_path, monkeypatch):
    migrate(Request((make_source(EVERYTHING),), database.dsn))
    monkeypatch.setenv("HOWDAH_DSN", database.dsn)
    file, report = tmp_path / "back.db", tmp_path / "report.json"
    done = CliRunner().invoke(main, ["export", str(file), "--report", str(report)])
    assert done.exit_code == 0, done.output
    assert "VERIFIED  11 rows in 3 tables" in done.stdout
    found = json.loads(report.read_text())
    assert (found["verb"], found["verdict"], found["file"], len(found["tables"])) == (
        "export",
        "verified",
        str(file),
        3,
    )
    assert found["tables"][0]["columns"][0] == {
        "name": "Id",
        "from": "id",
        "type": "bigint",
        "storage": "integer",
        "lossless": True,
    }
    again = CliRunner().invoke(main, ["export", str(file)])
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    only_json = CliRunner().invoke(main, ["export", str(file), "--force", "--json"])
    assert json.loads(only_json.stdout)["verdict"] == "verified"
    assert CliRunner().invoke(main, ["export", str(file), "--force", "--quiet"]).stdout == ""


def test_what_an_older_howdah_kept_is_no_obstacle(database, make_source, back, tmp_path):
    migrate(Request((make_source("CREATE TABLE T (A INTEGER PRIMARY KEY); INSERT INTO T VALUES (1)"),), database.dsn))
    database.query("""UPDATE howdah.source SET definition = '{"version": 0}'""")
    report = back()
    assert "not_described" in codes(report)
    assert value(tmp_path / "back.db", "SELECT a FROM t") == 1


def test_a_reader_without_rights_on_the_ledger_gets_postgresqls_shape(database, make_source, tmp_path):
    migrate(Request((make_source("CREATE TABLE T (A INTEGER PRIMARY KEY); INSERT INTO T VALUES (1)"),), database.dsn))
    database.query("CREATE ROLE howdah_poor LOGIN PASSWORD 'for-tests-only'")
    try:
        database.query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO howdah_poor")
        database.query("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO howdah_poor")
        dsn = conninfo.make_conninfo(database, user="howdah_poor")
        report = export.export(export.Request(tmp_path / "back.db", dsn))
    finally:
        database.query("DROP OWNED BY howdah_poor")
        database.query("DROP ROLE howdah_poor")
    assert [item.table.shape for item in report.tables] == ["derived"]


VIRTUAL = """
CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE own USING fts5(title, body);
CREATE VIRTUAL TABLE outside USING fts5(body, content='doc', content_rowid='id');
CREATE VIRTUAL TABLE place USING rtree(id, x0, x1);
CREATE TRIGGER follow AFTER INSERT ON doc BEGIN INSERT INTO outside (rowid, body) VALUES (new.id, new.body); END;
INSERT INTO own (rowid, title, body) VALUES (3, 'elephants', 'ride'), (8, 'seats', 'on elephants');
INSERT INTO doc VALUES (1, 'a howdah'), (2, 'a saddle');
INSERT INTO place VALUES (1, 0.1, 2.5), (2, -1, 7);
"""


def test_full_text_and_r_tree_tables_come_back_and_can_be_searched(database, make_source, back, tmp_path):
    source = make_source(VIRTUAL)
    assert migrate(Request((source,), database.dsn)).verdict == "verified"
    report = back()
    path = tmp_path / "back.db"
    for query in (
        "SELECT group_concat(rowid) FROM own WHERE own MATCH 'elephants'",
        "SELECT group_concat(rowid) FROM outside WHERE outside MATCH 'howdah'",
        "SELECT group_concat(id || x0 || x1) FROM place WHERE x0 < 0",
    ):
        assert value(path, query) == value(source, query)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO doc VALUES (5, 'another howdah')")
        found = connection.execute("SELECT group_concat(rowid) FROM outside WHERE outside MATCH 'howdah'").fetchone()
    assert found == ("1,5",)
    assert "virtual_table_empty" not in codes(report)
    assert schema(path) == schema(source)
