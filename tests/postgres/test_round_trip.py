"""Random databases go to PostgreSQL and back."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howdah import export
from howdah.pipeline import Request, migrate
from tests import strategies

NAMES = ["a", "B c", "select", "ünï", "d"]

# Few columns and rows per example: each costs a migration and an export.
tables = st.lists(
    st.tuples(strategies.declarations, st.lists(strategies.values, min_size=6, max_size=6)), min_size=1, max_size=5
)
databases = st.lists(
    st.tuples(tables, st.sampled_from(["", "id INTEGER PRIMARY KEY", "k TEXT"])), min_size=1, max_size=3
)


def write(path, content):
    """Write a random database; every row has a number in its rowid."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for number, (columns, first) in enumerate(content):
            declared = [f'"{name}" {kind}' for name, (kind, _) in zip(NAMES, columns, strict=False)]
            connection.execute(f'CREATE TABLE "T {number}" ({", ".join([*([first] if first else []), *declared])})')
            for row in zip(*(values for _, values in columns), strict=True):
                marks = ", ".join(["NULL"] * bool(first) + ["?"] * len(row))
                connection.execute(f'INSERT INTO "T {number}" VALUES ({marks})', row)
        connection.commit()


def rows(path, table, columns, without=()):
    """Return what a file holds in some columns of a table, as a multiset; a value's storage class is part of it."""
    named = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f'SELECT rowid, {named} FROM "{table}"').fetchall()
    return Counter(
        tuple((type(value).__name__, repr(value)) for value in row[1:]) for row in found if row[0] not in without
    )


@pytest.fixture(scope="module")
def numbers():
    return itertools.count()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=databases)
def test_lossless_columns_come_back_value_by_value_and_class_by_class(database, tmp_path, numbers, content):
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    write(source, content)
    schema = f"s{next(numbers)}"
    moved = migrate(Request((source,), database.dsn, schema=schema))
    assert moved.verdict in ("verified", "quarantined")
    waiting = database.query(
        "SELECT table_name, locator FROM howdah.quarantine WHERE application = %s", f"schema {schema}"
    )
    back = export.export(export.Request(target, database.dsn, schema=schema, force=True))
    assert [f for f in back.findings if f.code == "shape_changed"] == []
    for table in moved.tables:
        gone = {locator for name, locator in waiting if name == table.table}
        lossless = [column for column, _, _, exact in table.columns if exact and column]
        if lossless:
            assert rows(target, table.table, lossless) == rows(source, table.table, lossless, gone)
    assert {item.table.name: item.rows for item in back.tables} == {t.table: t.loaded_rows for t in moved.tables}
    assert json.dumps(back.to_dict())
