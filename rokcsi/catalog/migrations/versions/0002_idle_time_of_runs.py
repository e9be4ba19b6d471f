"""Runs remember how long they lay between an end and a resume."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was resumed before is taken to have lain for no time."""
    op.add_column("runs", sa.Column("idle_seconds", sa.Float(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Take the column away."""
    op.drop_column("runs", "idle_seconds")
