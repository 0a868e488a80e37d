"""Documents: aliases, policies, configurations, keys, roles and the like, one row each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(512), primary_key=True),
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("handle", sa.String(128)),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_index("documents_by_handle", "documents", ["kind", "handle"], unique=True)
