"""Primary keys, the foreign key and the index: what a whole migration has to keep.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-22
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("conversations", "messages", "metrics")


def upgrade() -> None:
    for table in TABLES:
        op.create_primary_key(f"{table}_pkey", table, ["id"])
    op.create_foreign_key("messages_conversation_id_fkey", "messages", "conversations", ["conversation_id"], ["id"])
    op.create_index("ix_messages_conv", "messages", ["conversation_id"])


def downgrade() -> None:
    op.drop_index("ix_messages_conv", "messages")
    op.drop_constraint("messages_conversation_id_fkey", "messages")
    for table in TABLES:
        op.drop_constraint(f"{table}_pkey", table)
