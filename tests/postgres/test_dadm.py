"""The shipped application dadm, from its sample files to PostgreSQL."""

from __future__ import annotations

import importlib.util
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from howdah import application
from howdah.errors import SourceError, TargetRefused
from howdah.pipeline import Request, migrate, plan, verify

FOLDER = Path(__file__).parents[2] / "applications" / "dadm"
ANALYSIS = "data/analysis_storage/analysis_data.db"
TENANT = uuid.UUID("00000000-0000-0000-0000-000000000002")


@pytest.fixture(scope="module")
def sample():
    spec = importlib.util.spec_from_file_location("dadm_sample", FOLDER / "sample.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def request_(database, sample, tmp_path):
    sample.write(tmp_path / "source", rows=600, seed=3, dirt=False)
    return Request((tmp_path / "source",), database.dsn, application=FOLDER)


def read(request, path, query):
    with closing(sqlite3.connect(request.sources[0] / path)) as connection:
        return connection.execute(query).fetchall()


def is_uuid(text):
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def test_every_table_holds_what_its_source_holds(database, request_):
    report = migrate(request_)
    assert report.verdict == "verified"
    loaded = {table.table: table.loaded_rows for table in report.tables}
    for source in application.load(FOLDER).sources:
        for table in source.tables:
            ((count,),) = read(request_, source.path, f"SELECT count(*) FROM {table}")
            assert loaded[table] == count == database.value(f"SELECT count(*) FROM {table}")


def test_identifiers_map_alike_in_keys_and_references(database, request_):
    migrate(request_)
    space = application.load(FOLDER).namespace
    tasks = [text for (text,) in read(request_, ANALYSIS, "SELECT task_id FROM processing_tasks")]
    expected = {(text, uuid.uuid5(space, text)) for text in tasks if not is_uuid(text)}
    assert expected
    assert set(database.query("SELECT legacy_id, id FROM processing_tasks WHERE legacy_id IS NOT NULL")) == expected
    pairs = read(request_, "data/prompts.db", "SELECT id, prompt_id FROM test_cases")
    held = dict(database.query("SELECT id, prompt_id FROM test_cases"))

    def wanted(text):
        return uuid.UUID(text) if is_uuid(text) else uuid.uuid5(space, text)

    assert held == {wanted(key): wanted(prompt) for key, prompt in pairs}


def test_rows_go_to_the_default_tenant(database, request_):
    migrate(request_)
    for table in ("prompts", "analysis_metadata", "data_policies"):
        assert database.query(f"SELECT DISTINCT tenant_id FROM {table}") == [(TENANT,)]
    assert database.value("SELECT count(*) FROM tenants WHERE id = %s", TENANT) == 1


def test_a_second_run_changes_nothing(database, request_):
    migrate(request_)
    assert plan(request_).pending is False
    report = migrate(request_)
    assert (report.changed, report.verdict) == (False, "verified")
    assert verify(request_).exit_code == 0


def test_plan_on_an_empty_database_leaves_it_empty(database, request_):
    made = plan(request_)
    assert made.pending
    assert made.statements
    assert not [finding for finding in made.findings if finding.severity == "error"]
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


def test_dirt_goes_to_quarantine_and_every_row_is_accounted_for(database, sample, tmp_path):
    sample.write(tmp_path / "dirty", rows=3_000, seed=5, dirt=True)
    request = Request((tmp_path / "dirty",), database.dsn, application=FOLDER)
    report = migrate(request)
    assert (report.verdict, report.exit_code) == ("quarantined", 3)
    assert report.quarantined_rows == database.value("SELECT count(*) FROM howdah.quarantine") > 0
    for table in report.tables:
        assert table.source_rows == table.loaded_rows + table.quarantined_rows
    assert migrate(request).changed is False
    assert verify(request).exit_code == 3


def test_another_head_is_refused(database, request_):
    migrate(request_)
    database.query("UPDATE alembic_version SET version_num = 'somebody_elses'")
    with pytest.raises(TargetRefused, match="somebody_elses"):
        migrate(request_)


def test_foreign_tables_in_the_way_are_refused_and_kept(database, request_):
    database.query("CREATE TABLE prompts (mine int)")
    with pytest.raises(TargetRefused, match="in the way"):
        migrate(request_)
    assert database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 1


def test_a_missing_source_is_named(database, request_):
    (request_.sources[0] / "data" / "prompts.db").unlink()
    with pytest.raises(SourceError, match="'prompts'"):
        migrate(request_)
