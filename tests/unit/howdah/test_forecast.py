"""What a plan foresees is what the casts refuse: no more, no less."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howdah import casts, typemap
from howdah.application import Application
from howdah.casts import CastError
from howdah.catalog import sqlite
from howdah.catalog.model import TargetColumn, TargetTable, TargetType
from howdah.forecast import certain, try_casts
from howdah.plan import Inspected
from howdah.planning import table_plan
from howdah.planview import cast_in_words
from howdah.profiling import measure
from tests.unit.howdah.test_profiling import VALUES

INT4 = TargetType("int4", "integer")
MONEY = TargetType("numeric", "numeric(10,2)", precision=10, scale=2)
SHORT = TargetType("varchar", "character varying(3)", length=3)
MILLIS = TargetType("timestamptz", "timestamp(3) with time zone", precision=3)
NUMBERS = [typemap.BIGINT, INT4, typemap.DOUBLE, typemap.NUMERIC, MONEY, typemap.BOOLEAN]
MOMENTS = [typemap.DATE, typemap.TIMESTAMP, typemap.TIMESTAMPTZ, MILLIS]
TYPES = [*NUMBERS, *MOMENTS, typemap.TEXT, SHORT, typemap.BYTEA, typemap.UUID, typemap.JSONB]


def ignore(done):
    """Tell nobody how far it is."""


def planned(path, kind, *, required=False, sample=None):
    """Return the plan of table t into a column of a type, and its profile."""
    catalog = sqlite.read(path)
    profile = measure(path, catalog.tables, sample)
    source = Inspected("s", str(path), 0, "", (), catalog, profile)
    columns = tuple(TargetColumn(column.name, kind, not_null=required) for column in catalog.tables[0].columns)
    plan, _ = table_plan(source, catalog.tables[0], TargetTable("public", "t", columns), None)
    return plan, profile["t"]


def forecast(path, kind, *, required=False, sample=None):
    plan, profile = planned(path, kind, required=required, sample=sample)
    return try_casts(path, plan, profile, sample, ignore)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["", "INTEGER", "REAL", "TEXT", "DATETIME"]), st.lists(VALUES, max_size=8), st.data())
def test_the_forecast_is_what_the_casts_refuse(tmp_path, declared, values, data):
    kind, required = data.draw(st.sampled_from(TYPES)), data.draw(st.booleans())
    path = tmp_path / "t.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t (c {declared})")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        connection.commit()
        stored = [row[0] for row in connection.execute("SELECT c FROM t")]
    plan, profile = planned(path, kind, required=required)
    (column,) = plan.columns
    cast = casts.build(column.cast, column.type, dict(column.options), [0])
    refused = sum(not fits(cast, value, required) for value in stored)
    assert try_casts(path, plan, profile, None, ignore).rows == refused
    if certain(column, profile.column("c")):
        assert refused == 0


def fits(cast, value, required):
    if value is None:
        return not required
    try:
        cast(value)
    except CastError:
        return False
    return True


def test_a_row_with_two_faults_counts_once_and_shows_both(make_source):
    path = make_source("CREATE TABLE t (a TEXT, b TEXT)", t=[("1", "2"), ("x", "y"), ("3", "z"), (None, "1,000")])
    found = forecast(path, typemap.BIGINT, required=True)
    assert (found.read, found.rows) == (4, 3)
    assert [(risk.column, risk.code, risk.rows, risk.rowids) for risk in found.risks] == [
        ("a", "not_integer", 1, (2,)),
        ("a", "not_null", 1, (4,)),
        ("b", "not_integer", 2, (2, 3)),
        ("b", "thousands_separator", 1, (4,)),
    ]
    assert all(risk.reason.endswith(".") and risk.advice.endswith(".") for risk in found.risks)


def test_reasons_that_differ_by_a_number_are_one(make_source):
    path = make_source("CREATE TABLE t (a TEXT)", t=[("x" * n,) for n in range(3, 8)])
    (risk,) = forecast(path, SHORT).risks
    assert (risk.rows, risk.rowids) == (4, (2, 3, 4))


def test_text_that_postgresql_cannot_hold_is_foreseen(make_source):
    path = make_source("CREATE TABLE t (a TEXT)", t=[("fine",), ("nul\x00",)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
        connection.commit()
    assert {risk.code for risk in forecast(path, typemap.TEXT).risks} == {"nul_in_text", "invalid_utf8"}


def test_rows_are_found_again_in_large_tables_with_and_without_rowids(make_source):
    rows = [(f"k{n:06}", "x" if n % 9_000 == 17 else f"{n}") for n in range(40_000)]
    for number, tail in enumerate(("", "WITHOUT ROWID")):
        path = make_source(f"CREATE TABLE t (k TEXT PRIMARY KEY, n TEXT) {tail}", f"{number}.db", t=rows)
        catalog = sqlite.read(path)
        profile = measure(path, catalog.tables)
        columns = (TargetColumn("k", typemap.TEXT, not_null=True), TargetColumn("n", typemap.JSONB))
        source = Inspected("s", str(path), 0, "", (), catalog, profile)
        plan, _ = table_plan(source, catalog.tables[0], TargetTable("public", "t", columns), None)
        done = []
        found = try_casts(path, plan, profile["t"], None, done.append)
        assert (found.read, found.rows, done[-1]) == (40_000, 5, 40_000)
        assert found.risks[0].rowids == (() if tail else (18, 9_018, 18_018))


def test_moments_that_the_application_lets_be_cut_are_counted(make_source):
    values = [133_444_736_000_000_019, 133_444_736_000_000_010, None]
    path = make_source("CREATE TABLE t (at INTEGER)", t=[(value,) for value in values])
    catalog = sqlite.read(path)
    source = Inspected("s", str(path), 0, "", (), catalog, measure(path, catalog.tables))
    target = TargetTable("public", "t", (TargetColumn("at", typemap.TIMESTAMPTZ),))
    for lenient, outcome in ((True, (0, (("at", 1),))), (False, (1, ()))):
        rules = {"t": {"columns": {"at": {"cast": "filetime", "truncate": lenient}}}}
        about = {"name": "a", "title": "A", "database": "a", "sources": [{"name": "s", "path": "s"}], "tables": rules}
        plan, findings = table_plan(source, catalog.tables[0], target, Application.model_validate(about))
        found = try_casts(path, plan, source.profile["t"], None, ignore)
        assert (found.rows, found.cut) == outcome
        assert [f.code for f in findings] == ["truncated"] * lenient
        assert ("finer digits cut: 1" in cast_in_words(plan.columns[0], None, 1)) == lenient


def test_only_moments_can_be_cut(make_source):
    path = make_source("CREATE TABLE t (n INTEGER)", t=[(1,)])
    rules = {"t": {"columns": {"n": {"truncate": True}}}}
    about = {"name": "a", "title": "A", "database": "a", "sources": [{"name": "s", "path": "s"}], "tables": rules}
    catalog = sqlite.read(path)
    source = Inspected("s", str(path), 0, "", (), catalog, measure(path, catalog.tables))
    target = TargetTable("public", "t", (TargetColumn("n", typemap.BIGINT),))
    _, findings = table_plan(source, catalog.tables[0], target, Application.model_validate(about))
    assert next((f.severity, f.code) for f in findings) == ("error", "wrong_cast")


def test_a_sample_is_tried_and_its_size_told(make_source):
    path = make_source("CREATE TABLE t (a TEXT)", t=[("x",)] * 500)
    found = forecast(path, typemap.BIGINT, sample=20)
    assert (found.read, found.rows) == (20, 20)
    assert found.risks[0].rowids == (1, 27, 53)
    keyed = make_source("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID", "k.db", t=[(f"k{n}",) for n in range(50)])
    found = forecast(keyed, typemap.BIGINT, sample=20)
    assert (found.rows, found.risks[0].rowids) == (20, ())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], typemap.BIGINT),
        ([1.5, 2], typemap.DOUBLE),
        ([0, 1], typemap.BOOLEAN),
        ([1_700_000_000], typemap.TIMESTAMPTZ),
        ([b"x"], typemap.BYTEA),
        ([1], typemap.TEXT),
        ([None], typemap.UUID),
    ],
)
def test_what_the_profile_proves_is_not_read_again(make_source, values, kind):
    plan, profile = planned(make_source("CREATE TABLE t (a)", t=[(value,) for value in values]), kind)
    assert certain(plan.columns[0], profile.column("a"))
