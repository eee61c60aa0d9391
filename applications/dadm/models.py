"""The tables of DADM in PostgreSQL: who owns what, and what the services of the product store.

Two kinds of tables:

* ``companies``, ``tenants``, ``users``, ``teams``, ``projects`` and ``user_roles`` say who exists and what
  they may do. They are small and every node may hold a copy (Citus: reference tables).
* ``decisions`` and the nine tables that the services fill belong to one tenant each and may grow without
  bounds (Citus: distributed by ``tenant_id``). So ``tenant_id`` is part of their every primary key, unique
  key and foreign key, and no key reveals that another tenant holds the same identifier.

An identifier that was no UUID in SQLite is mapped to a UUIDv5; ``legacy_id`` keeps the original text, and is
NULL where the identifier was a UUID already. Identifiers issued elsewhere (OpenAI threads, Camunda process
instances, names of data sets) stay text: they are nobody's key here.
"""

import datetime as dt
import uuid
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

Key = Annotated[uuid.UUID, mapped_column(server_default=text("gen_random_uuid()"))]
Moment = Annotated[dt.datetime, mapped_column(server_default=text("now()"))]
Json = dict[str, Any] | list[Any] | str | float | bool
Tags = Annotated[list[str], mapped_column(JSONB, server_default=text("'[]'::jsonb"))]


class Base(DeclarativeBase):
    """Metadata of all tables: stable constraint names, UUID, text, timestamptz and jsonb by default."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  read by SQLAlchemy while the class is made, never changed
        uuid.UUID: Uuid(),
        str: Text(),
        float: Double(),
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
    }


def _tenant() -> ForeignKeyConstraint:
    """Return the foreign key of a tenant table to its tenant, who can't be deleted while rows are left."""
    return ForeignKeyConstraint(["tenant_id"], ["tenants.id"])


class Company(Base):
    """An enterprise; the root of the hierarchy."""

    __tablename__ = "companies"
    __table_args__ = (PrimaryKeyConstraint("id"), UniqueConstraint("slug"))

    id: Mapped[Key]
    name: Mapped[str]
    slug: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class Tenant(Base):
    """A part of a company whose data is kept apart from that of every other tenant."""

    __tablename__ = "tenants"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        UniqueConstraint("company_id", "id"),
        UniqueConstraint("company_id", "slug"),
        CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
        Index("ix_tenants_slug", "slug"),
    )

    id: Mapped[Key]
    company_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("companies.id"))
    name: Mapped[str]
    slug: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class User(Base):
    """A person of a company; ``external_id`` is the subject in the company's identity provider."""

    __tablename__ = "users"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        UniqueConstraint("company_id", "external_id"),
        UniqueConstraint("company_id", "email"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )

    id: Mapped[Key]
    company_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("companies.id"))
    external_id: Mapped[str | None]
    email: Mapped[str]
    display_name: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    profile: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    last_login_at: Mapped[dt.datetime | None]
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class Team(Base):
    """People of one tenant who work on projects together."""

    __tablename__ = "teams"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        UniqueConstraint("tenant_id", "slug"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class Project(Base):
    """A team's project: what decisions are made for."""

    __tablename__ = "projects"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
        UniqueConstraint("tenant_id", "team_id", "id"),
        UniqueConstraint("tenant_id", "team_id", "slug"),
        CheckConstraint("status IN ('active', 'completed', 'archived')", name="status"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    team_id: Mapped[uuid.UUID]
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class Decision(Base):
    """A decision of a project, with the process instance that led to it."""

    __tablename__ = "decisions"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        ForeignKeyConstraint(["tenant_id", "project_id"], ["projects.tenant_id", "projects.id"]),
        CheckConstraint("status IN ('draft', 'in_analysis', 'decided', 'withdrawn')", name="status"),
        Index("ix_decisions_project", "tenant_id", "project_id", text("created_at DESC")),
        Index("ix_decisions_process_instance", "tenant_id", "process_instance_id"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    project_id: Mapped[uuid.UUID]
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'draft'"))
    process_instance_id: Mapped[str | None]
    context: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    outcome: Mapped[dict[str, Any] | None]
    decided_at: Mapped[dt.datetime | None]
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class UserRole(Base):
    """A role granted to a user for a company, tenant, team or project and for everything below it.

    A row says by itself where it stands: ``scope`` names the level, the identifiers of that level and of all
    levels above it are set, those below are NULL, and foreign keys prove that each belongs to the one above.
    """

    __tablename__ = "user_roles"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_roles_user", ondelete="CASCADE"),
        ForeignKeyConstraint(["granted_by"], ["users.id"], name="fk_user_roles_granted_by"),
        ForeignKeyConstraint(["company_id"], ["companies.id"]),
        ForeignKeyConstraint(["company_id", "tenant_id"], ["tenants.company_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "team_id", "project_id"], ["projects.tenant_id", "projects.team_id", "projects.id"]
        ),
        UniqueConstraint(
            "user_id",
            "role",
            "company_id",
            "tenant_id",
            "team_id",
            "project_id",
            name="uq_user_roles_grant",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("scope IN ('company', 'tenant', 'team', 'project')", name="scope"),
        CheckConstraint("role IN ('owner', 'admin', 'editor', 'viewer')", name="role"),
        CheckConstraint("(tenant_id IS NOT NULL) = (scope IN ('tenant', 'team', 'project'))", name="scope_tenant"),
        CheckConstraint("(team_id IS NOT NULL) = (scope IN ('team', 'project'))", name="scope_team"),
        CheckConstraint("(project_id IS NOT NULL) = (scope = 'project')", name="scope_project"),
        CheckConstraint("expires_at > granted_at", name="expiry"),
        Index("ix_user_roles_tenant", "tenant_id", "user_id"),
        Index("ix_user_roles_granted_by", "granted_by"),
    )

    id: Mapped[Key]
    user_id: Mapped[uuid.UUID]
    role: Mapped[str]
    scope: Mapped[str]
    company_id: Mapped[uuid.UUID]
    tenant_id: Mapped[uuid.UUID | None]
    team_id: Mapped[uuid.UUID | None]
    project_id: Mapped[uuid.UUID | None]
    granted_by: Mapped[uuid.UUID | None]
    granted_at: Mapped[Moment]
    expires_at: Mapped[dt.datetime | None]


class AnalysisMetadata(Base):
    """One analysis that a workflow task asked for; ``status`` is free text of the service that ran it."""

    __tablename__ = "analysis_metadata"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        Index("ix_analysis_metadata_created", "tenant_id", text("created_at DESC")),
        Index("ix_analysis_metadata_status", "tenant_id", "status"),
        Index("ix_analysis_metadata_thread", "tenant_id", "thread_id"),
        Index("ix_analysis_metadata_process_instance", "tenant_id", "process_instance_id"),
        Index("ix_analysis_metadata_legacy", "tenant_id", "legacy_id"),
        Index(
            "ix_analysis_metadata_tags",
            "tags",
            postgresql_using="gin",
            postgresql_ops={"tags": "jsonb_path_ops"},
        ),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    thread_id: Mapped[str]
    session_id: Mapped[str | None]
    process_instance_id: Mapped[str | None]
    task_name: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'created'"))
    tags: Mapped[list[str] | None] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    source_service: Mapped[str | None]
    created_at: Mapped[Moment]
    updated_at: Mapped[dt.datetime | None]


class AnalysisData(Base):
    """What went into an analysis and what came out; at most one row for each analysis."""

    __tablename__ = "analysis_data"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "analysis_id"),
        _tenant(),
        ForeignKeyConstraint(
            ["tenant_id", "analysis_id"],
            ["analysis_metadata.tenant_id", "analysis_metadata.id"],
            ondelete="CASCADE",
        ),
        Index(
            "ix_analysis_data_output",
            "output_data",
            postgresql_using="gin",
            postgresql_ops={"output_data": "jsonb_path_ops"},
        ),
    )

    tenant_id: Mapped[uuid.UUID]
    analysis_id: Mapped[uuid.UUID]
    input_data: Mapped[Json | None] = mapped_column(JSONB)
    output_data: Mapped[Json | None] = mapped_column(JSONB)
    raw_response: Mapped[str | None]
    processing_log: Mapped[list[Any] | None] = mapped_column(JSONB)


class ProcessingTask(Base):
    """A step that processes an analysis further: vector store, graph, report."""

    __tablename__ = "processing_tasks"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        ForeignKeyConstraint(
            ["tenant_id", "analysis_id"],
            ["analysis_metadata.tenant_id", "analysis_metadata.id"],
            ondelete="CASCADE",
        ),
        # The source has the same CHECK, so no row can fail it here.
        CheckConstraint("status IN ('pending', 'processing', 'completed', 'failed')", name="status"),
        Index("ix_processing_tasks_analysis", "tenant_id", "analysis_id"),
        Index("ix_processing_tasks_status", "tenant_id", "status", "created_at"),
        Index("ix_processing_tasks_legacy", "tenant_id", "legacy_id"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    analysis_id: Mapped[uuid.UUID]
    processor_type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    error_message: Mapped[str | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[Moment]
    completed_at: Mapped[dt.datetime | None]


class Prompt(Base):
    """One version of a prompt; a change makes a new version under the same identifier."""

    __tablename__ = "prompts"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id", "version"),
        _tenant(),
        CheckConstraint("version > 0", name="version"),
        Index("ix_prompts_created", "tenant_id", text("created_at DESC")),
        Index("ix_prompts_name", "tenant_id", "name"),
        Index("ix_prompts_type", "tenant_id", "type"),
        Index("ix_prompts_legacy", "tenant_id", "legacy_id"),
        Index("ix_prompts_tags", "tags", postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"}),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    version: Mapped[int] = mapped_column(server_default=text("1"), autoincrement=False)
    legacy_id: Mapped[str | None]
    name: Mapped[str]
    text: Mapped[str]
    type: Mapped[str]
    tool_dependencies: Mapped[Tags]
    workflow_dependencies: Mapped[Tags]
    tags: Mapped[Tags]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_by: Mapped[str | None]
    created_at: Mapped[Moment]
    updated_at: Mapped[dt.datetime | None]


class TestCase(Base):
    """An input with the output that a version of a prompt should give."""

    __tablename__ = "test_cases"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        ForeignKeyConstraint(
            ["tenant_id", "prompt_id", "prompt_version"],
            ["prompts.tenant_id", "prompts.id", "prompts.version"],
            ondelete="CASCADE",
        ),
        Index("ix_test_cases_prompt", "tenant_id", "prompt_id", "prompt_version"),
        Index("ix_test_cases_legacy", "tenant_id", "legacy_id"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    prompt_id: Mapped[uuid.UUID]
    prompt_version: Mapped[int]
    name: Mapped[str]
    input: Mapped[str]
    expected_output: Mapped[str | None]
    scoring_logic: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))


class TestResult(Base):
    """One run of a test case: what the model answered, and how it was scored."""

    __tablename__ = "test_results"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        ForeignKeyConstraint(
            ["tenant_id", "test_case_id"], ["test_cases.tenant_id", "test_cases.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "prompt_id", "prompt_version"],
            ["prompts.tenant_id", "prompts.id", "prompts.version"],
            ondelete="CASCADE",
        ),
        Index("ix_test_results_executed", "tenant_id", text("executed_at DESC")),
        Index("ix_test_results_case", "tenant_id", "test_case_id", text("executed_at DESC")),
        Index("ix_test_results_prompt", "tenant_id", "prompt_id", "prompt_version"),
        Index("ix_test_results_legacy", "tenant_id", "legacy_id"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    test_case_id: Mapped[uuid.UUID]
    prompt_id: Mapped[uuid.UUID]
    prompt_version: Mapped[int]
    actual_output: Mapped[str | None]
    score: Mapped[float | None]
    passed: Mapped[bool]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    llm_config: Mapped[dict[str, Any] | None]
    error_message: Mapped[str | None]
    executed_at: Mapped[Moment]


class DataPolicy(Base):
    """How data of a class is kept, protected and measured."""

    __tablename__ = "data_policies"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        # The source has the same CHECK, so no row can fail it here.
        CheckConstraint(
            "classification IN ('public', 'internal', 'confidential', 'restricted')", name="classification"
        ),
        Index("ix_data_policies_created", "tenant_id", text("created_at DESC")),
        Index("ix_data_policies_active", "tenant_id", "classification", postgresql_where=text("active")),
        Index("ix_data_policies_legacy", "tenant_id", "legacy_id"),
        Index("ix_data_policies_tags", "tags", postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"}),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    name: Mapped[str]
    description: Mapped[str | None]
    classification: Mapped[str]
    retention_days: Mapped[int | None]
    encryption_required: Mapped[bool] = mapped_column(server_default=text("false"))
    access_controls: Mapped[dict[str, Any] | None]
    quality_thresholds: Mapped[dict[str, Any] | None]
    tags: Mapped[Tags]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Moment]


class DataLineage(Base):
    """An event: this data came from that data by a transformation. ``seq`` is the order of the events."""

    __tablename__ = "data_lineage"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        UniqueConstraint("tenant_id", "seq"),
        Index("ix_data_lineage_created", "tenant_id", text("created_at DESC")),
        Index("ix_data_lineage_data", "tenant_id", "data_id"),
        Index("ix_data_lineage_legacy", "tenant_id", "legacy_id"),
        Index(
            "ix_data_lineage_sources",
            "source_data_ids",
            postgresql_using="gin",
            postgresql_ops={"source_data_ids": "jsonb_path_ops"},
        ),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=False))
    data_id: Mapped[str]
    source_data_ids: Mapped[list[str] | None] = mapped_column(JSONB)
    transformation_type: Mapped[str | None]
    transformation_details: Mapped[dict[str, Any] | None]
    created_by: Mapped[str | None]
    created_at: Mapped[Moment]


class QualityMetric(Base):
    """One measurement of the quality of some data; scores are fractions as the service computed them."""

    __tablename__ = "quality_metrics"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "id"),
        _tenant(),
        Index("ix_quality_metrics_measured", "tenant_id", text("measured_at DESC")),
        Index("ix_quality_metrics_data", "tenant_id", "data_id", text("measured_at DESC")),
        Index("ix_quality_metrics_legacy", "tenant_id", "legacy_id"),
    )

    tenant_id: Mapped[uuid.UUID]
    id: Mapped[Key]
    legacy_id: Mapped[str | None]
    data_id: Mapped[str]
    completeness: Mapped[float | None]
    accuracy: Mapped[float | None]
    consistency: Mapped[float | None]
    timeliness: Mapped[float | None]
    validity: Mapped[float | None]
    overall_score: Mapped[float | None]
    quality_level: Mapped[str | None]
    issues: Mapped[list[Any] | None] = mapped_column(JSONB)
    measured_at: Mapped[Moment]
