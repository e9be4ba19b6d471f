"""What checkpoints at the mount need: which version came late, and which pod an attempt was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was kept before came in time, and its pods have no uid."""
    op.add_column("versions", sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("attempts", sa.Column("pod_uid", sa.String(length=128), nullable=False, server_default=""))


def downgrade() -> None:
    """Take the columns away."""
    op.drop_column("attempts", "pod_uid")
    op.drop_column("versions", "late")
