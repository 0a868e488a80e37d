"""What alembic runs around the revisions: the connection comes from `scripts.run`."""

from __future__ import annotations

from alembic import context

from lamella.records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
