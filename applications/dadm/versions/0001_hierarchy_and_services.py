"""The hierarchy of companies, the tables of the three SQLite files, the tenant for development.

Revision ID: 0001
Revises: nothing
Create Date: 2025-07-10
"""

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Fixed by REQ-004, section 4.2; application.yml assigns every migrated row to this tenant.
COMPANY = uuid.UUID("00000000-0000-0000-0000-000000000001")
TENANT = uuid.UUID("00000000-0000-0000-0000-000000000002")

# Parents first; dropped in the opposite order.
TABLES = (
    "companies",
    "tenants",
    "users",
    "teams",
    "projects",
    "decisions",
    "user_roles",
    "analysis_metadata",
    "analysis_data",
    "processing_tasks",
    "prompts",
    "test_cases",
    "test_results",
    "data_policies",
    "data_lineage",
    "quality_metrics",
)


def upgrade() -> None:
    _organisation()
    _analysis()
    _prompts()
    _governance()
    _development_rows()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _organisation() -> None:
    """Create the tables that say who exists and who may do what."""
    op.create_table(
        "companies",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
        sa.UniqueConstraint("slug", name=op.f("uq_companies_slug")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended', 'closed')", name=op.f("ck_tenants_status")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_tenants_companies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("company_id", "id", name=op.f("uq_tenants_company_id_id")),
        sa.UniqueConstraint("company_id", "slug", name=op.f("uq_tenants_company_id_slug")),
    )
    op.create_index("ix_tenants_slug", "tenants", ["slug"])
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("profile", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_users_companies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("company_id", "email", name=op.f("uq_users_company_id_email")),
        sa.UniqueConstraint("company_id", "external_id", name=op.f("uq_users_company_id_external_id")),
    )
    op.create_table(
        "teams",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_teams_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_teams")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_teams_tenant_id_slug")),
    )
    op.create_table(
        "projects",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("settings", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'completed', 'archived')", name=op.f("ck_projects_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"], name=op.f("fk_projects_teams")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_projects_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_projects")),
        sa.UniqueConstraint("tenant_id", "team_id", "id", name=op.f("uq_projects_tenant_id_team_id_id")),
        sa.UniqueConstraint("tenant_id", "team_id", "slug", name=op.f("uq_projects_tenant_id_team_id_slug")),
    )
    op.create_table(
        "decisions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("process_instance_id", sa.Text(), nullable=True),
        sa.Column("context", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("outcome", JSONB(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'in_analysis', 'decided', 'withdrawn')", name=op.f("ck_decisions_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["projects.tenant_id", "projects.id"],
            name=op.f("fk_decisions_projects"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_decisions_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_process_instance", "decisions", ["tenant_id", "process_instance_id"])
    op.create_index("ix_decisions_project", "decisions", ["tenant_id", "project_id", sa.text("created_at DESC")])
    op.create_table(
        "user_roles",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(project_id IS NOT NULL) = (scope = 'project')", name=op.f("ck_user_roles_scope_project")),
        sa.CheckConstraint(
            "(team_id IS NOT NULL) = (scope IN ('team', 'project'))", name=op.f("ck_user_roles_scope_team")
        ),
        sa.CheckConstraint(
            "(tenant_id IS NOT NULL) = (scope IN ('tenant', 'team', 'project'))",
            name=op.f("ck_user_roles_scope_tenant"),
        ),
        sa.CheckConstraint("role IN ('owner', 'admin', 'editor', 'viewer')", name=op.f("ck_user_roles_role")),
        sa.CheckConstraint("scope IN ('company', 'tenant', 'team', 'project')", name=op.f("ck_user_roles_scope")),
        sa.CheckConstraint("expires_at > granted_at", name=op.f("ck_user_roles_expiry")),
        sa.ForeignKeyConstraint(
            ["company_id", "tenant_id"],
            ["tenants.company_id", "tenants.id"],
            name=op.f("fk_user_roles_tenants"),
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_user_roles_companies")),
        sa.ForeignKeyConstraint(["granted_by"], ["users.id"], name="fk_user_roles_granted_by"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "team_id", "project_id"],
            ["projects.tenant_id", "projects.team_id", "projects.id"],
            name=op.f("fk_user_roles_projects"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"], name=op.f("fk_user_roles_teams")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_roles_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_roles")),
        sa.UniqueConstraint(
            "user_id",
            "role",
            "company_id",
            "tenant_id",
            "team_id",
            "project_id",
            name="uq_user_roles_grant",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_user_roles_granted_by", "user_roles", ["granted_by"])
    op.create_index("ix_user_roles_tenant", "user_roles", ["tenant_id", "user_id"])


def _analysis() -> None:
    """Create the tables of data/analysis_storage/analysis_data.db."""
    op.create_table(
        "analysis_metadata",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("process_instance_id", sa.Text(), nullable=True),
        sa.Column("task_name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'created'"), nullable=False),
        sa.Column("tags", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=True),
        sa.Column("source_service", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_analysis_metadata_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_analysis_metadata")),
    )
    op.create_index("ix_analysis_metadata_created", "analysis_metadata", ["tenant_id", sa.text("created_at DESC")])
    op.create_index("ix_analysis_metadata_legacy", "analysis_metadata", ["tenant_id", "legacy_id"])
    op.create_index("ix_analysis_metadata_process_instance", "analysis_metadata", ["tenant_id", "process_instance_id"])
    op.create_index("ix_analysis_metadata_status", "analysis_metadata", ["tenant_id", "status"])
    op.create_index(
        "ix_analysis_metadata_tags",
        "analysis_metadata",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )
    op.create_index("ix_analysis_metadata_thread", "analysis_metadata", ["tenant_id", "thread_id"])
    op.create_table(
        "analysis_data",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("analysis_id", sa.Uuid(), nullable=False),
        sa.Column("input_data", JSONB(), nullable=True),
        sa.Column("output_data", JSONB(), nullable=True),
        sa.Column("raw_response", sa.Text(), nullable=True),
        sa.Column("processing_log", JSONB(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "analysis_id"],
            ["analysis_metadata.tenant_id", "analysis_metadata.id"],
            name=op.f("fk_analysis_data_analysis_metadata"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_analysis_data_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "analysis_id", name=op.f("pk_analysis_data")),
    )
    op.create_index(
        "ix_analysis_data_output",
        "analysis_data",
        ["output_data"],
        postgresql_using="gin",
        postgresql_ops={"output_data": "jsonb_path_ops"},
    )
    op.create_table(
        "processing_tasks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("analysis_id", sa.Uuid(), nullable=False),
        sa.Column("processor_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("metadata", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed')",
            name=op.f("ck_processing_tasks_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "analysis_id"],
            ["analysis_metadata.tenant_id", "analysis_metadata.id"],
            name=op.f("fk_processing_tasks_analysis_metadata"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_processing_tasks_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_processing_tasks")),
    )
    op.create_index("ix_processing_tasks_analysis", "processing_tasks", ["tenant_id", "analysis_id"])
    op.create_index("ix_processing_tasks_legacy", "processing_tasks", ["tenant_id", "legacy_id"])
    op.create_index("ix_processing_tasks_status", "processing_tasks", ["tenant_id", "status", "created_at"])


def _prompts() -> None:
    """Create the tables of data/prompts.db."""
    op.create_table(
        "prompts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("tool_dependencies", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("workflow_dependencies", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("tags", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("metadata", JSONB(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("version > 0", name=op.f("ck_prompts_version")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_prompts_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", "version", name=op.f("pk_prompts")),
    )
    op.create_index("ix_prompts_created", "prompts", ["tenant_id", sa.text("created_at DESC")])
    op.create_index("ix_prompts_legacy", "prompts", ["tenant_id", "legacy_id"])
    op.create_index("ix_prompts_name", "prompts", ["tenant_id", "name"])
    op.create_index(
        "ix_prompts_tags",
        "prompts",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )
    op.create_index("ix_prompts_type", "prompts", ["tenant_id", "type"])
    op.create_table(
        "test_cases",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("expected_output", sa.Text(), nullable=True),
        sa.Column("scoring_logic", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "prompt_id", "prompt_version"],
            ["prompts.tenant_id", "prompts.id", "prompts.version"],
            name=op.f("fk_test_cases_prompts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_test_cases_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_test_cases")),
    )
    op.create_index("ix_test_cases_legacy", "test_cases", ["tenant_id", "legacy_id"])
    op.create_index("ix_test_cases_prompt", "test_cases", ["tenant_id", "prompt_id", "prompt_version"])
    op.create_table(
        "test_results",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("test_case_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_version", sa.Integer(), nullable=False),
        sa.Column("actual_output", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("llm_config", JSONB(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("executed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "prompt_id", "prompt_version"],
            ["prompts.tenant_id", "prompts.id", "prompts.version"],
            name=op.f("fk_test_results_prompts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "test_case_id"],
            ["test_cases.tenant_id", "test_cases.id"],
            name=op.f("fk_test_results_test_cases"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_test_results_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_test_results")),
    )
    op.create_index("ix_test_results_case", "test_results", ["tenant_id", "test_case_id", sa.text("executed_at DESC")])
    op.create_index("ix_test_results_executed", "test_results", ["tenant_id", sa.text("executed_at DESC")])
    op.create_index("ix_test_results_legacy", "test_results", ["tenant_id", "legacy_id"])
    op.create_index("ix_test_results_prompt", "test_results", ["tenant_id", "prompt_id", "prompt_version"])


def _governance() -> None:
    """Create the tables of data/governance/governance.db."""
    op.create_table(
        "data_policies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("encryption_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("access_controls", JSONB(), nullable=True),
        sa.Column("quality_thresholds", JSONB(), nullable=True),
        sa.Column("tags", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "classification IN ('public', 'internal', 'confidential', 'restricted')",
            name=op.f("ck_data_policies_classification"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_data_policies_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_data_policies")),
    )
    op.create_index(
        "ix_data_policies_active",
        "data_policies",
        ["tenant_id", "classification"],
        postgresql_where=sa.text("active"),
    )
    op.create_index("ix_data_policies_created", "data_policies", ["tenant_id", sa.text("created_at DESC")])
    op.create_index("ix_data_policies_legacy", "data_policies", ["tenant_id", "legacy_id"])
    op.create_index(
        "ix_data_policies_tags",
        "data_policies",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )
    op.create_table(
        "data_lineage",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("data_id", sa.Text(), nullable=False),
        sa.Column("source_data_ids", JSONB(), nullable=True),
        sa.Column("transformation_type", sa.Text(), nullable=True),
        sa.Column("transformation_details", JSONB(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_data_lineage_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_data_lineage")),
        sa.UniqueConstraint("tenant_id", "seq", name=op.f("uq_data_lineage_tenant_id_seq")),
    )
    op.create_index("ix_data_lineage_created", "data_lineage", ["tenant_id", sa.text("created_at DESC")])
    op.create_index("ix_data_lineage_data", "data_lineage", ["tenant_id", "data_id"])
    op.create_index("ix_data_lineage_legacy", "data_lineage", ["tenant_id", "legacy_id"])
    op.create_index(
        "ix_data_lineage_sources",
        "data_lineage",
        ["source_data_ids"],
        postgresql_using="gin",
        postgresql_ops={"source_data_ids": "jsonb_path_ops"},
    )
    op.create_table(
        "quality_metrics",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("data_id", sa.Text(), nullable=False),
        sa.Column("completeness", sa.Double(), nullable=True),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("consistency", sa.Double(), nullable=True),
        sa.Column("timeliness", sa.Double(), nullable=True),
        sa.Column("validity", sa.Double(), nullable=True),
        sa.Column("overall_score", sa.Double(), nullable=True),
        sa.Column("quality_level", sa.Text(), nullable=True),
        sa.Column("issues", JSONB(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_quality_metrics_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_quality_metrics")),
    )
    op.create_index("ix_quality_metrics_data", "quality_metrics", ["tenant_id", "data_id", sa.text("measured_at DESC")])
    op.create_index("ix_quality_metrics_legacy", "quality_metrics", ["tenant_id", "legacy_id"])
    op.create_index("ix_quality_metrics_measured", "quality_metrics", ["tenant_id", sa.text("measured_at DESC")])


def _development_rows() -> None:
    """Insert the company and the tenant that a development environment starts with."""
    # uuid.UUID values and not text, so that the statements also compile offline (alembic upgrade --sql).
    companies = sa.table(
        "companies", sa.column("id", sa.Uuid()), sa.column("name", sa.Text()), sa.column("slug", sa.Text())
    )
    tenants = sa.table(
        "tenants",
        sa.column("id", sa.Uuid()),
        sa.column("company_id", sa.Uuid()),
        sa.column("name", sa.Text()),
        sa.column("slug", sa.Text()),
    )
    op.bulk_insert(companies, [{"id": COMPANY, "name": "Default Company", "slug": "default-company"}])
    op.bulk_insert(
        tenants,
        [{"id": TENANT, "company_id": COMPANY, "name": "Default Tenant", "slug": "default-tenant"}],
    )
