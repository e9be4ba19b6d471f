"""The first schema: buckets, objects, versions, members, tasks, notebooks, runs, steps, attempts.

Written out in full: a migration must not change when `rokcsi.catalog.schema` does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make all tables."""
    _make_buckets()
    _make_notebooks()
    _make_runs()
    _make_tasks()
    _make_objects()
    _make_steps()
    _make_attempts()
    _make_versions()
    _make_members()


def downgrade() -> None:
    """Take all tables away."""
    for table in ("members", "versions", "attempts", "steps", "objects", "tasks", "runs", "notebooks", "buckets"):
        op.drop_table(table)


def _make_buckets() -> None:
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_buckets")),
    )


def _make_notebooks() -> None:
    op.create_table(
        "notebooks",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("volumes", _JSON, nullable=False),
        sa.Column("environment", _JSON, nullable=False),
        sa.Column("working_directory", sa.Text(), nullable=True),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("restored_from", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("task", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_notebooks")),
        sa.UniqueConstraint("name", name=op.f("uq_notebooks_name")),
    )


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("pipeline", sa.String(length=256), nullable=False),
        sa.Column("notebook", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=36), nullable=True),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("environment", _JSON, nullable=False),
        sa.Column("working_directory", sa.Text(), nullable=True),
        sa.Column("volumes", _JSON, nullable=False),
        sa.Column("marshal_directory", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("task", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_runs_id")),
    )
    op.create_index(op.f("ix_runs_pipeline"), "runs", ["pipeline"], unique=False)
    op.create_index(op.f("ix_runs_status"), "runs", ["status"], unique=False)


def _make_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("bucket", sa.String(length=256), nullable=False),
        sa.Column("object", sa.String(length=256), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_tasks")),
        sa.UniqueConstraint("id", name=op.f("uq_tasks_id")),
    )
    op.create_index(op.f("ix_tasks_status"), "tasks", ["status"], unique=False)


def _make_objects() -> None:
    op.create_table(
        "objects",
        sa.Column("bucket", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bucket"], ["buckets.name"], name=op.f("fk_objects_bucket")),
        sa.PrimaryKeyConstraint("bucket", "name", name=op.f("pk_objects")),
    )


def _make_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("run", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("needs", _JSON, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_steps_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "name", name=op.f("pk_steps")),
    )


def _make_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("run", sa.String(length=256), nullable=False),
        sa.Column("step", sa.String(length=256), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pod", sa.String(length=256), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("before", sa.String(length=36), nullable=True),
        sa.Column("after", sa.String(length=36), nullable=True),
        sa.Column("command", _JSON, nullable=False),
        sa.Column("environment", _JSON, nullable=False),
        sa.Column("working_directory", sa.Text(), nullable=True),
        sa.Column("mounts", _JSON, nullable=False),
        sa.Column("log", sa.Text(), nullable=True),
        sa.Column("log_tail", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run", "step"], ["steps.run", "steps.name"], name=op.f("fk_attempts_run_step"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "step", "number", name=op.f("pk_attempts")),
    )


def _make_versions() -> None:
    op.create_table(
        "versions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("bucket", sa.String(length=256), nullable=False),
        sa.Column("object", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("run", sa.String(length=256), nullable=True),
        sa.Column("step", sa.String(length=256), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("command", _JSON, nullable=False),
        sa.Column("environment", _JSON, nullable=False),
        sa.Column("working_directory", sa.Text(), nullable=True),
        sa.Column("commit", _JSON, nullable=True),
        sa.Column("cut_name", sa.String(length=256), nullable=False),
        sa.Column("cut", sa.Text(), nullable=True),
        sa.Column("claims", _JSON, nullable=False),
        sa.Column("same_cut_as", sa.String(length=36), nullable=True),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.Column("task", sa.String(length=36), nullable=True),
        sa.Column("freeze_window_seconds", sa.Float(), nullable=False),
        sa.Column("consistency", sa.String(length=32), nullable=False),
        sa.Column("completed_steps", _JSON, nullable=False),
        sa.Column("concurrent_steps", _JSON, nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket", "object"], ["objects.bucket", "objects.name"], name=op.f("fk_versions_bucket_object")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_versions")),
        sa.UniqueConstraint("id", name=op.f("uq_versions_id")),
    )
    op.create_index(op.f("ix_versions_bucket_object"), "versions", ["bucket", "object"], unique=False)
    op.create_index(op.f("ix_versions_cut_name"), "versions", ["cut_name"], unique=False)
    op.create_index(op.f("ix_versions_run"), "versions", ["run"], unique=False)


def _make_members() -> None:
    op.create_table(
        "members",
        sa.Column("version", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("object", sa.String(length=512), nullable=False),
        sa.Column("volume", sa.String(length=256), nullable=False),
        sa.Column("claim", sa.String(length=256), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("filesystem", sa.String(length=32), nullable=False),
        sa.Column("mount_path", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("readonly", sa.Boolean(), nullable=False),
        sa.Column("consistency", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name=op.f("fk_members_version"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version", "position", name=op.f("pk_members")),
    )
