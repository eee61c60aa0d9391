"""application.yml, the revision and the SQLite files fit together."""

import ast
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from howdah.application import Application, Column
from howdah.application import load as load_application

REFERENCE_TABLES = {"companies", "tenants", "users", "user_roles"}


@pytest.fixture(scope="module")
def application(dadm: Path) -> Application:
    return load_application(dadm)


@pytest.fixture(scope="module")
def source_columns(sample: ModuleType) -> dict[str, list[str]]:
    """Columns of every table that the services created in SQLite."""
    columns: dict[str, list[str]] = {}
    for schema in sample.SCHEMAS.values():
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(schema)
            for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                if not table.startswith("sqlite_"):
                    columns[table] = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    return columns


def rule(application: Application, table: str, column: str) -> Column:
    exceptions = application.tables[table].columns if table in application.tables else {}
    return exceptions.get(column, Column())


def filled(application: Application, table: str, columns: list[str]) -> dict[str, Column]:
    """Target column: the rule by which a source column fills it."""
    return {rule(application, table, name).target or name: rule(application, table, name) for name in columns}


def test_every_source_names_the_file_and_the_tables_of_the_sample(application, sample):
    declared = {source.path: set(source.tables) for source in application.sources}
    created = {}
    for path, schema in sample.SCHEMAS.items():
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(schema)
            names = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        created[path] = names - {"sqlite_sequence"}
    assert declared == created


def test_the_sources_are_those_of_the_requirement(application):
    assert {source.path: source.tables for source in application.sources} == {
        "data/analysis_storage/analysis_data.db": ("analysis_metadata", "analysis_data", "processing_tasks"),
        "data/prompts.db": ("prompts", "test_cases", "test_results"),
        "data/governance/governance.db": ("data_policies", "data_lineage", "quality_metrics"),
    }


def test_exceptions_name_columns_that_the_sources_have(application, source_columns):
    named = {(table, column) for table, rules in application.tables.items() for column in rules.columns}
    existing = {(table, column) for table, columns in source_columns.items() for column in columns}
    assert named <= existing


def test_every_source_column_has_a_place_in_the_revision(application, source_columns, revision_tables):
    homeless = [
        (table, target)
        for table, columns in source_columns.items()
        for target in filled(application, table, columns)
        if target not in revision_tables[table].columns
    ]
    assert homeless == []


def test_no_two_source_columns_share_a_target(application, source_columns):
    for table, columns in source_columns.items():
        assert len(filled(application, table, columns)) == len(columns)


def test_every_required_column_is_filled(application, source_columns, revision_tables):
    unfilled = [
        (table, column.name)
        for table, columns in source_columns.items()
        for column in revision_tables[table].columns
        if not column.nullable and column.name != application.tenancy.column
        if column.name not in filled(application, table, columns) and column.server_default is None
    ]
    assert unfilled == []


def test_every_identifier_is_mapped_and_every_own_key_keeps_the_original(application, source_columns, revision_tables):
    for table, columns in source_columns.items():
        for target, how in filled(application, table, columns).items():
            if not isinstance(revision_tables[table].columns[target].type, sa.Uuid):
                assert how.cast != "uuid5", (table, target)
                continue
            assert how.cast == "uuid5", (table, target)
            assert how.keep == ("legacy_id" if target == "id" else None), (table, target)
            if how.keep:
                assert isinstance(revision_tables[table].columns[how.keep].type, sa.Text)


def test_a_temporal_hint_stands_only_where_a_moment_is_stored(application, revision_tables):
    hints = [
        (table, how.target or name)
        for table, rules in application.tables.items()
        for name, how in rules.columns.items()
        if how.cast not in (None, "uuid5")
    ]
    assert hints == [("quality_metrics", "measured_at")]
    assert all(revision_tables[table].columns[name].type.timezone for table, name in hints)


def test_the_default_tenant_is_the_one_that_the_revision_inserts(application, revision):
    assert application.tenancy.default == str(revision.TENANT) == "00000000-0000-0000-0000-000000000002"
    assert str(revision.COMPANY) == "00000000-0000-0000-0000-000000000001"


def test_tenant_tables_have_the_tenant_in_every_key(application, revision_tables):
    tenant = application.tenancy.column
    for name in revision_tables.keys() - REFERENCE_TABLES:
        for constraint in revision_tables[name].constraints:
            if isinstance(constraint, sa.CheckConstraint):
                continue
            columns = [column.name for column in constraint.columns]
            assert tenant in columns, (name, columns)
            if isinstance(constraint, sa.PrimaryKeyConstraint):
                assert columns[0] == tenant


def test_every_core_table_refers_to_its_tenant(source_columns, revision_tables):
    for name in source_columns:
        targets = {
            (tuple(key.column_keys), key.elements[0].target_fullname)
            for key in revision_tables[name].foreign_key_constraints
        }
        assert (("tenant_id",), "tenants.id") in targets, name
        assert not revision_tables[name].columns["tenant_id"].nullable


def test_constraint_names_are_given_unique_and_short_enough(revision_tables):
    names = [constraint.name for table in revision_tables.values() for constraint in table.constraints]
    assert all(isinstance(name, str) and len(name) <= 63 for name in names)
    assert len(set(names)) == len(names)


def test_the_revision_drops_what_it_creates_children_first(revision, revision_tables):
    assert list(revision_tables) == list(revision.TABLES)
    position = {name: number for number, name in enumerate(revision.TABLES)}
    for name, table in revision_tables.items():
        for key in table.foreign_key_constraints:
            assert position[key.elements[0].target_fullname.split(".")[0]] < position[name]


def test_the_revision_imports_nothing_of_the_project(revision):
    tree = ast.parse(Path(revision.__file__).read_text(encoding="utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"uuid", "sqlalchemy", "alembic"}


def test_the_models_have_the_tables_of_the_revision(models, revision_tables):
    assert set(models.Base.metadata.tables) == set(revision_tables)
    for name, table in models.Base.metadata.tables.items():
        assert [column.name for column in table.columns] == [c.name for c in revision_tables[name].columns]


def test_every_service_logs_in_as_the_applications_role(application):
    assert {service.role for service in application.services} == {"dadm_user"}
    used = {source for service in application.services for source in service.sources}
    assert used == {source.name for source in application.sources}
