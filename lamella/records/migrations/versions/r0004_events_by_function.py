"""An index by which the events of each function are found, however many there are of others."""

from __future__ import annotations

from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["account", "region", "name", "due", "leased", "id"]
    op.create_index("events_by_function", "events", columns)
