"""The first revision of dadm on a real server: it agrees with the models and keeps tenants apart."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

DADM = Path(__file__).parents[2] / "applications" / "dadm"
COMPANY = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"
OTHER = "00000000-0000-0000-0000-0000000000ff"

COLUMNS = """
    SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity
    FROM information_schema.columns WHERE table_schema = current_schema()
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
"""
INDEXES = """
    SELECT tablename, indexname, replace(indexdef, current_schema() || '.', '')
    FROM pg_indexes WHERE schemaname = current_schema()
"""


def load(path: Path) -> ModuleType:
    name = f"schema_of_dadm_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


models = load(DADM / "models.py")
revision = load(DADM / "versions" / "0001_hierarchy_and_services.py")


@pytest.fixture
def connection(database: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def upgraded(connection: sa.Connection) -> sa.Connection:
    with Operations.context(MigrationContext.configure(connection)):
        revision.upgrade()
    return connection


def described(connection: sa.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Columns, constraints and indexes of the current schema, as PostgreSQL prints them."""
    return {
        kind: sorted((tuple(row) for row in connection.execute(sa.text(query))), key=repr)
        for kind, query in (("columns", COLUMNS), ("constraints", CONSTRAINTS), ("indexes", INDEXES))
    }


def test_alembic_sees_no_difference_between_models_and_revision(upgraded):
    context = MigrationContext.configure(upgraded, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, models.Base.metadata) == []


def test_postgresql_prints_the_same_for_models_and_revision(upgraded):
    # Alembic compares neither primary keys nor CHECKs nor the operator classes of indexes; this does.
    by_revision = described(upgraded)
    upgraded.execute(sa.text("CREATE SCHEMA by_models"))
    upgraded.execute(sa.text("SET LOCAL search_path TO by_models"))
    models.Base.metadata.create_all(upgraded, checkfirst=False)
    assert described(upgraded) == by_revision
    assert len(by_revision["constraints"]) > 60


def test_downgrade_leaves_nothing(upgraded):
    with Operations.context(MigrationContext.configure(upgraded)):
        revision.downgrade()
    assert described(upgraded) == {"columns": [], "constraints": [], "indexes": []}


def test_the_development_rows_have_their_fixed_identifiers(upgraded):
    row = upgraded.execute(
        sa.text("SELECT t.id::text, t.slug, c.id::text, c.name FROM tenants t JOIN companies c ON c.id = t.company_id")
    ).one()
    assert tuple(row) == (TENANT, "default-tenant", COMPANY, "Default Company")


@pytest.fixture
def organised(upgraded: sa.Connection) -> sa.Connection:
    """Two tenants of one company, a user, and a team with a project of the default tenant."""
    upgraded.execute(
        sa.text(
            f"""
            INSERT INTO tenants (id, company_id, name, slug)
                VALUES ('{OTHER}', '{COMPANY}', 'Other', 'other');
            INSERT INTO users (id, company_id, external_id, email)
                VALUES ('{OTHER}', '{COMPANY}', 'oidc|1', 'jane@example.com');
            INSERT INTO teams (tenant_id, id, name, slug) VALUES ('{TENANT}', '{OTHER}', 'Team', 'team');
            INSERT INTO projects (tenant_id, id, team_id, name, slug)
                VALUES ('{TENANT}', '{OTHER}', '{OTHER}', 'Project', 'project');
            INSERT INTO prompts (tenant_id, id, version, name, text, type)
                VALUES ('{TENANT}', '{OTHER}', 1, 'p', 't', 'simple');
            """
        )
    )
    return upgraded


GRANT = sa.text(
    "INSERT INTO user_roles (user_id, role, scope, company_id, tenant_id, team_id, project_id, granted_by)"
    f" VALUES ('{OTHER}', 'editor', :scope, '{COMPANY}', :tenant, :team, :project, '{OTHER}')"
)


@pytest.mark.parametrize(
    ("scope", "tenant", "team", "project"),
    [
        ("company", None, None, None),
        ("tenant", TENANT, None, None),
        ("team", TENANT, OTHER, None),
        ("project", TENANT, OTHER, OTHER),
    ],
)
def test_a_role_is_granted_once_at_each_level(organised, scope, tenant, team, project):
    grant = {"scope": scope, "tenant": tenant, "team": team, "project": project}
    organised.execute(GRANT, grant)
    with pytest.raises(sa.exc.IntegrityError, match="uq_user_roles_grant"):
        organised.execute(GRANT, grant)


@pytest.mark.parametrize(
    ("scope", "tenant", "team", "project", "constraint"),
    [
        ("company", TENANT, None, None, "ck_user_roles_scope_tenant"),
        ("tenant", None, None, None, "ck_user_roles_scope_tenant"),
        ("tenant", TENANT, OTHER, None, "ck_user_roles_scope_team"),
        ("team", TENANT, None, None, "ck_user_roles_scope_team"),
        ("project", TENANT, OTHER, None, "ck_user_roles_scope_project"),
        ("planet", None, None, None, "ck_user_roles_scope"),
        ("team", OTHER, OTHER, None, "fk_user_roles_teams"),
    ],
)
def test_a_role_whose_scope_and_identifiers_disagree_is_refused(organised, scope, tenant, team, project, constraint):
    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        organised.execute(GRANT, {"scope": scope, "tenant": tenant, "team": team, "project": project})


CASE = sa.text(
    "INSERT INTO test_cases (tenant_id, prompt_id, prompt_version, name, input)"
    f" VALUES (:tenant, '{OTHER}', 1, 'case', 'input')"
)


def test_a_row_refers_to_a_row_of_its_own_tenant(organised):
    organised.execute(CASE, {"tenant": TENANT})
    assert organised.execute(sa.text("SELECT count(*) FROM test_cases")).scalar_one() == 1


def test_a_row_never_refers_to_a_row_of_another_tenant(organised):
    with pytest.raises(sa.exc.IntegrityError, match="fk_test_cases_prompts"):
        organised.execute(CASE, {"tenant": OTHER})


def test_two_tenants_may_hold_the_same_identifier(organised):
    copy = sa.text(
        "INSERT INTO prompts (tenant_id, id, version, name, text, type)"
        " SELECT :tenant, id, version, name, text, type FROM prompts"
    )
    organised.execute(copy, {"tenant": OTHER})
    assert organised.execute(sa.text("SELECT count(DISTINCT id), count(*) FROM prompts")).one() == (1, 2)
