"""The sources of the shipped application dadm come back, each for its service."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from howdah import application, export
from howdah.errors import ConfigurationError
from howdah.pipeline import migrate
from tests.postgres.test_dadm import FOLDER, request_, sample  # noqa: F401 - fixtures


def rows(path, table, columns):
    """Return rows in some columns as a multiset; a value's storage class is part of it."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    return Counter(tuple((type(value).__name__, repr(value)) for value in row) for row in found)


@pytest.fixture
def moved(request_):  # noqa: F811
    assert migrate(request_).verdict == "verified"
    return request_


@pytest.mark.parametrize("source", application.load(FOLDER).sources, ids=lambda source: source.name)
def test_a_source_comes_back_for_its_service(database, moved, tmp_path, source):
    path = tmp_path / "back.db"
    wanted = export.Request(path, database.dsn, application=str(FOLDER), source=source.name)
    report = export.export(wanted)
    assert {item.table.name for item in report.tables} == set(source.tables)
    before = moved.sources[0] / source.path
    for item in report.tables:
        assert item.table.shape == "original"
        exact = [column.name for column in item.table.columns if not column.loss]
        assert rows(path, item.table.name, exact) == rows(before, item.table.name, exact)
        # Mapped identifiers are the original texts again, in keys and in references; UUIDs have one spelling.
        mapped = [column.name for column in item.table.columns if column.mapped]
        folded = [f"trim(replace(lower({name}), '-', ''), '{{}}')" for name in mapped]
        assert rows(path, item.table.name, folded) == rows(before, item.table.name, folded)
    assert not [finding for finding in report.findings if finding.severity == "warning"]


def test_the_whole_schema_has_the_tables_of_others_too(database, moved, tmp_path):
    report = export.export(export.Request(tmp_path / "back.db", database.dsn))
    shapes = {item.table.name: item.table.shape for item in report.tables}
    assert shapes["prompts"] == "original"
    assert shapes["tenants"] == "derived"
    assert report.applications == ("dadm",)


def test_rows_of_another_tenant_are_told_apart(database, moved, tmp_path):
    tenant = database.value(
        "INSERT INTO tenants (id, company_id, name, slug) SELECT gen_random_uuid(), company_id, 'Other', 'other'"
        " FROM tenants LIMIT 1 RETURNING id"
    )
    columns = [
        name
        for (name,) in database.query(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'prompts'::regclass AND attnum > 0"
            " AND NOT attisdropped AND attname <> 'tenant_id'"
        )
    ]
    named = ", ".join(columns)
    database.query(f"INSERT INTO prompts (tenant_id, {named}) SELECT '{tenant}', {named} FROM prompts LIMIT 1")
    report = export.export(export.Request(tmp_path / "back.db", database.dsn, source="prompts"))
    # The same identifier twice: the original key cannot hold it, so the table has PostgreSQL's.
    (changed,) = [finding for finding in report.findings if finding.code == "shape_changed"]
    assert changed.table == "prompts"
    with closing(sqlite3.connect(tmp_path / "back.db")) as connection:
        assert connection.execute("SELECT count(DISTINCT tenant_id), count(*) FROM prompts").fetchone() == (
            2,
            database.value("SELECT count(*) FROM prompts"),
        )


def test_a_source_that_shares_a_table_is_exported_only_with_the_others(database, moved, tmp_path):
    # As if a second file had filled the same table.
    database.query(
        "INSERT INTO howdah.source SELECT application, 'prompts_2', path, size, blake3, profile, run_id, definition"
        " FROM howdah.source WHERE source = 'prompts'"
    )
    with pytest.raises(ConfigurationError, match="prompts and prompts_2 lie together"):
        export.export(export.Request(tmp_path / "back.db", database.dsn, source="prompts"))
    report = export.export(export.Request(tmp_path / "back.db", database.dsn))
    assert [item.table.name for item in report.tables].count("prompts") == 1
