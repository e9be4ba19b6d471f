"""What the pods of a cluster were made of, so that another one like them can be opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of what was kept before it is not known."""
    for table in ("versions", "attempts"):
        op.add_column(table, sa.Column("template", sa.JSON().with_variant(JSONB(), "postgresql")))


def downgrade() -> None:
    """Take the columns away."""
    for table in ("attempts", "versions"):
        op.drop_column(table, "template")
