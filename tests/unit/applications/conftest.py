"""Loads the files of an application folder, which is no Python package."""

import importlib.util
import sys
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

DADM = Path(__file__).parents[3] / "applications" / "dadm"


def load(path: Path) -> ModuleType:
    name = f"application_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dadm() -> Path:
    return DADM


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    return load(DADM / "sample.py")


@pytest.fixture(scope="session")
def models() -> ModuleType:
    return load(DADM / "models.py")


@pytest.fixture(scope="session")
def revision() -> ModuleType:
    return load(DADM / "versions" / "0001_hierarchy_and_services.py")


@pytest.fixture(scope="session")
def revision_tables(revision: ModuleType) -> dict[str, sa.Table]:
    """Every table as the revision creates it, recorded while it runs without a server."""
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": StringIO()})
    tables: dict[str, sa.Table] = {}
    create = context.impl.create_table

    def record(table: sa.Table, **options: object) -> None:
        tables[table.name] = table
        create(table, **options)

    context.impl.create_table = record
    with Operations.context(context):
        revision.upgrade()
    return tables
