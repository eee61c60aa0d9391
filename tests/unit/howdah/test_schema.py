"""Types, defaults and DDL derived from a source."""

from __future__ import annotations

import json

import pytest

from howdah import ddl, typemap
from howdah.catalog import sqlite
from howdah.catalog.model import SourceColumn
from howdah.declared import declared_precision
from howdah.defaults import translate
from howdah.plain import json_parts
from howdah.plan import Inspected
from howdah.planning import table_plan
from howdah.profile import ColumnProfile, from_json, to_json
from howdah.profiling import measure


@pytest.fixture
def inspect(make_source):
    def run(script, **rows):
        path = make_source(script, **rows)
        catalog = sqlite.read(path)
        return Inspected("s", str(path), 0, "", (), catalog, measure(path, catalog.tables))

    return run


def kinds(inspect, declared, values):
    source = inspect(f"CREATE TABLE t (c {declared})", t=[(value,) for value in values])
    return ddl.derive((source,), "public").catalog.tables[0].columns[0].type.sql


@pytest.mark.parametrize(
    ("declared", "values", "wanted"),
    [
        ("INTEGER", [1, 2**63 - 1], "bigint"),
        ("UNSIGNED BIG INT", [1], "bigint"),
        ("INTEGER", [1, 2, "bad"], "bigint"),
        ("INTEGER", ["all", "text"], "text"),
        ("REAL", [1.5], "double precision"),
        ("FLOAT", [], "double precision"),
        ("NUMERIC(10,2)", [1.5, 2], "numeric(10,2)"),
        ("NUMERIC(10,2)", [1.555], "numeric"),
        ("VARCHAR(5)", ["abcde"], "character varying(5)"),
        ("VARCHAR(5)", ["abcdef"], "text"),
        ("NVARCHAR", ["a"], "text"),
        ("NVARCHAR(160)", [], "character varying(160)"),
        ("BOOLEAN", [0, 1, 1], "boolean"),
        ("BOOLEAN", ["true", "false"], "boolean"),
        ("BOOLEAN", [5, 6, 7], "bigint"),
        ("DATETIME", ["2024-01-01 00:00:00"], "timestamp without time zone"),
        ("DATETIME", ["2024-01-01T00:00:00Z"], "timestamp with time zone"),
        ("DATETIME", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"], "text"),
        ("TIMESTAMP", [1_720_000_000, 1_720_000_001], "timestamp with time zone"),
        ("TIMESTAMP", [1_720_000_000, 1_720_000_000_000], "bigint"),
        ("TIMESTAMP", [1_720_000_000] * 19 + [0], "timestamp with time zone"),
        ("TIMESTAMP", [1_720_000_000] * 19 + [1_720_000_000_000], "bigint"),
        ("DATETIME", [2_460_263.5, 2_460_264.25], "timestamp with time zone"),
        ("DATETIME", [133_444_736_000_000_001], "bigint"),
        ("DATETIME", ["2024-01-01T00:00:00.123456789Z"], "text"),
        ("DATETIME", ["2024-01-01T00:00:00,123Z", "2024-01-01T00:00:00.120000000Z"], "timestamp with time zone"),
        ("JSON", ["{'a': 1}", "None"], "text"),
        ("BOOLEAN", ["maybe", "never"], "text"),
        ("BOOLEAN", ["enabled", "Yes", "no"], "boolean"),
        ("DATE", ["2024-01-01"], "date"),
        ("DATE", ["yesterday"], "text"),
        ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "uuid"),
        ("JSON", ["{}"], "jsonb"),
        ("BLOB", [b"x"], "bytea"),
        ("", [1, 2], "bigint"),
        ("", ["a"], "text"),
        ("", [b"a"], "bytea"),
        ("", [1.5, 2], "double precision"),
        ("", [0.5, 2**60], "numeric"),
        ("INTEGER_OR_TEXT", ["a", "b"], "text"),
        ("number", [1, 2.5], "numeric"),
    ],
)
def test_the_declaration_leads_and_the_values_decide(inspect, declared, values, wanted):
    assert kinds(inspect, declared, values) == wanted


@pytest.mark.parametrize(
    ("column", "values", "wanted"),
    [
        ("created_at INTEGER", [1_720_000_000, None], "timestamp with time zone"),
        ("last_visit_time INTEGER", [13_344_473_600_000_000], "timestamp with time zone"),
        ("visit_time REAL", [721_692_800.5], "timestamp with time zone"),
        ("created_at INTEGER", [1_720_000_000, 0], "bigint"),
        ("created_at INTEGER", [700_000_000], "bigint"),
        ("created_at REAL", [1_720_000_000.1234567], "double precision"),
        ("created_at TEXT", ["2024-01-01T00:00:00Z"], "text"),
        ("created_at INTEGER PRIMARY KEY", [1_720_000_000], "bigint"),
        ("bytes INTEGER", [1_720_000_000], "bigint"),
    ],
)
def test_a_name_that_speaks_of_time_needs_numbers_that_do(inspect, column, values, wanted):
    source = inspect(f"CREATE TABLE t ({column})", t=[(value,) for value in values])
    assert ddl.derive((source,), "public").catalog.tables[0].columns[0].type.sql == wanted


@pytest.mark.parametrize(
    ("text", "target", "wanted"),
    [
        (None, typemap.TEXT, ""),
        ("NULL", typemap.TEXT, ""),
        ("'null'", typemap.TEXT, "'null'"),
        ("((1))", typemap.BIGINT, "'1'"),
        ("-1.5", typemap.DOUBLE, "'-1.5'"),
        ("0", typemap.BOOLEAN, "'f'"),
        ("TRUE", typemap.BOOLEAN, "'t'"),
        ('"false"', typemap.BOOLEAN, "'f'"),
        ("'it''s'", typemap.TEXT, "'it''s'"),
        ("CURRENT_TIMESTAMP", typemap.TIMESTAMPTZ, "now()"),
        ("(datetime('now'))", typemap.TIMESTAMP, "(now() AT TIME ZONE 'UTC')::timestamp"),
        ("(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", typemap.TIMESTAMPTZ, "now()"),
        ("CURRENT_TIMESTAMP", typemap.TEXT, "(to_char((now() AT TIME ZONE 'UTC'), 'YYYY-MM-DD HH24:MI:SS'))"),
        ("(strftime('%Y', 'now'))", typemap.TEXT, "(to_char((now() AT TIME ZONE 'UTC'), 'YYYY'))"),
        ("strftime('%s', 'now')", typemap.BIGINT, "floor(extract(epoch FROM now()))::bigint"),
        ("(unixepoch())", typemap.BIGINT, "floor(extract(epoch FROM now()))::bigint"),
        ("(2 + 3)", typemap.BIGINT, "(2 + 3)"),
        ("('a' || 'b')", typemap.TEXT, "('a' || 'b')"),
    ],
)
def test_a_default_is_translated(text, target, wanted):
    found = translate(text, target)
    assert (found.sql, found.problem) == (wanted, "")


def test_a_default_of_bytes_is_translated():
    assert "00ff" in translate("x'00ff'", typemap.BYTEA).sql


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("random()", typemap.BIGINT),
        ("'abc'", typemap.BIGINT),
        ("(lower(hex(randomblob(16))))", typemap.TEXT),
        ("(datetime('now', 'localtime'))", typemap.TIMESTAMP),
        ("(julianday('now'))", typemap.DOUBLE),
        ("CURRENT_DATE", typemap.TIMESTAMPTZ),
        ("('a')) (", typemap.TEXT),
    ],
)
def test_a_default_that_means_something_else_is_left_out_with_a_reason(text, target):
    found = translate(text, target)
    assert found.sql == ""
    assert found.problem


def test_composite_keys_are_one_constraint(inspect):
    source = inspect("""CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b));
           CREATE TABLE c (x INT, y INT, FOREIGN KEY (x, y) REFERENCES p)""")
    child = ddl.derive((source,), "public").catalog.find("c")
    assert [(key.columns, key.parent_columns) for key in child.foreign_keys] == [(("x", "y"), ("a", "b"))]


def test_an_index_that_is_unique_for_some_rows_is_no_key(inspect):
    source = inspect("CREATE TABLE t (a INTEGER NOT NULL, b INTEGER); CREATE UNIQUE INDEX i ON t (a) WHERE b IS NULL")
    table = ddl.derive((source,), "public").catalog.tables[0]
    assert [(unique.columns, unique.predicate) for unique in table.uniques] == [((), '"b" IS NULL')]
    plan, _ = table_plan(source, source.catalog.tables[0], table, None)
    assert plan.key == ()


def test_foreign_keys_that_cannot_be_are_reported(inspect):
    source = inspect(
        """CREATE TABLE p (a TEXT PRIMARY KEY, b INT);
           CREATE TABLE c (x INT REFERENCES p(b), y INT REFERENCES gone(id), z BLOB REFERENCES p(a))""",
        p=[("a", 1)],
        c=[(1, 1, b"x")],
    )
    messages = [f.message for f in ddl.derive((source,), "public").findings if f.code == "foreign_key_not_moved"]
    assert len(messages) == 3
    assert any("not unique" in m for m in messages)
    assert any("no such table" in m for m in messages)
    assert any("types" in m for m in messages)


def test_only_a_real_rowid_alias_becomes_an_identity(inspect):
    source = inspect(
        """CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY);
           CREATE TABLE c (id INTEGER PRIMARY KEY DESC); CREATE TABLE d (id INTEGER PRIMARY KEY) WITHOUT
           ROWID"""
    )
    catalog = ddl.derive((source,), "public").catalog
    assert [catalog.find(name).columns[0].identity for name in "abcd"] == ["d", "", "", ""]


def test_a_profile_survives_its_way_through_the_ledger(inspect):
    source = inspect("CREATE TABLE t (a, b TEXT)", t=[(float("inf"), "x"), (1e22, None), (-(2**63), "ä")])
    assert from_json(json.loads("".join(json_parts(to_json(source.profile))))) == source.profile
    assert from_json({"version": -1}) is None


def test_columns_beyond_one_query_are_measured_too(inspect):
    names = ", ".join(f"c{n}" for n in range(95))
    source = inspect(f"CREATE TABLE wide ({names})", wide=[tuple(range(95))])
    profile = source.profile["wide"]
    assert [column.smallest for column in profile.columns] == list(range(95))


def test_declared_precision():
    assert declared_precision("DECIMAL(12)") == (12, 0)
    assert declared_precision("NUMERIC(2,5)") == (0, 0)
    assert declared_precision("VARCHAR(10)") == (0, 0)


def test_a_column_without_values_takes_its_declaration():
    empty = ColumnProfile("c", 0)
    assert typemap.choose(SourceColumn("c", "TIMESTAMP WITH TIME ZONE"), empty).type == typemap.TIMESTAMPTZ
    assert typemap.choose(SourceColumn("c", "DECIMAL(8,3)"), empty).type.sql == "numeric(8,3)"
