"""The queue of asynchronous events, and how many there have been."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("name", sa.String(140), nullable=False),
        sa.Column("qualifier", sa.String(140)),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("trace_id", sa.Text),
        sa.Column("client_context", sa.Text),
        sa.Column("accepted", sa.Float, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("leased", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("pauses", sa.Integer, nullable=False),
        sa.Column("delivery", sa.JSON),
    )
    op.create_index("events_by_due", "events", ["due"])
    op.create_table(
        "event_counts",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("total", sa.BigInteger, nullable=False),
    )
