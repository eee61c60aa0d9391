"""Typed tables without keys: every contestant loads into these.

Revision ID: 0001
Revises: nothing
Create Date: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("conversation_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("content", sa.Text),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("attachments", JSONB),
        sa.Column("is_read", sa.Boolean, nullable=False),
    )
    op.create_table(
        "metrics",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("samples", sa.BigInteger),
        sa.Column("note", sa.Text),
    )


def downgrade() -> None:
    for table in ("metrics", "messages", "conversations"):
        op.drop_table(table)
