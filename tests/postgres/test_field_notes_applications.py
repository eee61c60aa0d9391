"""What others' migrations did to tables that were there before: field notes 10, 12, 21 and 22."""

from __future__ import annotations

import pytest

from howdah.errors import ConfigurationError, TargetRefused
from howdah.pipeline import migrate, plan, verify


def test_note_10_integers_wider_than_the_application_expects_wait(database, make_source, application):
    make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)", t=[(1, 2**31 - 1), (2, 2**31), (2**31, 1)])
    request = application("CREATE TABLE t (id integer PRIMARY KEY, n integer)")
    assert plan(request).doomed == 2
    assert migrate(request).quarantined_rows == 2
    # Never wider in silence: the application reads int4.
    assert database.query("SELECT id, n, pg_typeof(n)::text FROM t") == [(1, 2**31 - 1, "integer")]
    assert dict(database.query("SELECT column_name, code FROM howdah.quarantine")) == {
        "n": "out_of_range",
        "id": "out_of_range",
    }
    assert migrate(request).changed is False


def test_note_12_columns_go_by_name_and_not_by_place(database, make_source, application):
    make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, first TEXT, last TEXT, Nick TEXT)", t=[(1, "f", "l", "n")])
    request = application(
        "CREATE TABLE t (nick text, last text, more int DEFAULT 7, first text, id bigint PRIMARY KEY)"
    )
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT * FROM t") == [("n", "l", 7, "f", 1)]
    assert verify(request).verdict == "verified"


def test_note_21_rows_that_the_revisions_seeded_are_met_and_kept(database, make_source, application):
    make_source("CREATE TABLE role (id INTEGER PRIMARY KEY, name TEXT)", role=[(1, "admin"), (2, "ours"), (4, "new")])
    request = application(
        """CREATE TABLE role (id bigint PRIMARY KEY, name text UNIQUE);
           INSERT INTO role VALUES (1, 'admin'), (2, 'theirs'), (3, 'guest')"""
    )
    database.query("CREATE TABLE theirs (v int); INSERT INTO theirs VALUES (1)")
    report = migrate(request)
    assert (report.verdict, report.tables[0].loaded_rows, report.quarantined_rows) == ("quarantined", 2, 1)
    assert database.query("SELECT * FROM role ORDER BY 1") == [(1, "admin"), (2, "theirs"), (3, "guest"), (4, "new")]
    assert database.query("SELECT source_key, code FROM howdah.quarantine") == [({"id": 2}, "conflict")]
    assert migrate(request).changed is False
    assert verify(request).exit_code == 3
    assert database.query("SELECT v FROM theirs") == [(1,)]


def test_note_21_another_head_is_refused_before_anything_moves(database, make_source, application):
    make_source("CREATE TABLE t (id INTEGER PRIMARY KEY)", t=[(1,)])
    database.query("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('theirs')")
    with pytest.raises(TargetRefused, match="theirs, which this application does not have") as caught:
        migrate(application("CREATE TABLE t (id bigint PRIMARY KEY)"))
    assert caught.value.exit_code == 7
    assert database.value("SELECT to_regclass('t') IS NULL AND to_regnamespace('howdah') IS NULL") is True


def test_note_21_a_column_that_wants_a_value_and_gets_none_stops_the_plan(database, make_source, application):
    make_source("CREATE TABLE t (id INTEGER PRIMARY KEY)", t=[(1,)])
    request = application("CREATE TABLE t (id bigint PRIMARY KEY, owner text NOT NULL)")
    assert "nothing_for" in {f.code for f in plan(request).findings if f.severity == "error"}
    with pytest.raises(ConfigurationError, match=r"t\.owner is NOT NULL"):
        migrate(request)
    assert database.value("SELECT to_regclass('t')") is None


def test_note_22_rows_of_several_sources_that_share_a_key_are_all_accounted_for(
    database, make_source, application, change
):
    script = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    first = make_source(script, "a.db", t=[(1, "one"), (2, "two")])
    second = make_source(script, "b.db", t=[(1, "another one"), (2, "two"), (3, "three")])
    request = application("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    report = migrate(request)
    accounted = {t.source: (t.source_rows, t.loaded_rows, t.quarantined_rows) for t in report.tables}
    assert accounted == {"shop:a.db": (2, 2, 0), "shop:b.db": (3, 2, 1)}
    assert database.query("SELECT * FROM t ORDER BY 1") == [(1, "one"), (2, "two"), (3, "three")]
    kept = "SELECT source, row_data->>'v', code FROM howdah.quarantine"
    assert database.query(kept) == [("shop:b.db", "another one", "conflict")]
    assert migrate(request).changed is False
    # The row that the first source gives up is the second one's, and one that both hold outlives one of them.
    change(first, "DELETE FROM t")
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT * FROM t ORDER BY 1") == [(1, "another one"), (2, "two"), (3, "three")]
    change(second, "DELETE FROM t WHERE id = 2")
    assert migrate(request).verdict == "verified"
    assert database.query("SELECT id FROM t ORDER BY 1") == [(1,), (3,)]
