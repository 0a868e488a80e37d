"""Layer versions with their policies, functions with their versions, and what uses which bytes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None


def _world() -> list[sa.Column[Any]]:
    return [
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("region", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(140), primary_key=True),
    ]


def upgrade() -> None:
    _layers()
    _functions()
    op.create_table(
        "blob_references",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(256), primary_key=True),
    )
    op.create_index("blob_references_by_owner", "blob_references", ["owner"])


def _layers() -> None:
    op.create_table("layer_numbers", *_world(), sa.Column("last", sa.Integer, nullable=False))
    op.create_table(
        "layer_versions",
        *_world(),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("license_info", sa.Text),
        sa.Column("compatible_runtimes", sa.Text, nullable=False),
        sa.Column("compatible_architectures", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("code_size", sa.BigInteger, nullable=False),
        sa.Column("unzipped_size", sa.BigInteger, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "layer_policies",
        *_world(),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.Column("statements", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "region", "name", "version"],
            [f"layer_versions.{column}" for column in ("account", "region", "name", "version")],
            name="layer_policies_of_version",
            ondelete="CASCADE",
        ),
    )


def _functions() -> None:
    op.create_table("function_numbers", *_world(), sa.Column("last", sa.Integer, nullable=False))
    op.create_table(
        "functions",
        *_world(),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.Column("last_modified", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("last_update_status", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("code_size", sa.BigInteger, nullable=False),
        sa.Column("unzipped_size", sa.BigInteger, nullable=False),
        sa.Column("members", sa.JSON, nullable=False),
    )
    op.create_index("functions_by_state", "functions", ["state", "last_update_status"])
    op.create_table("function_tags", *_world(), sa.Column("tags", sa.JSON, nullable=False))
