"""The tables, as the newest migration leaves them; a test compares the two.

Types are those that SQLite and PostgreSQL share. What is only ever read and written whole
(environments, commands, mounts) is JSON.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

HEAD = "0004"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[dt.datetime]):
    """An instant: aware outside, UTC inside, where SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn any zone into UTC."""
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Say that it is UTC where the database did not."""
        if value is None:
            return None
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)  # type: ignore[no-any-return]  # a datetime


def _json() -> JSON:
    return JSON().with_variant(JSONB(), "postgresql")


buckets = Table(
    "buckets",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("created_at", Moment, nullable=False),
)

objects = Table(
    "objects",
    metadata,
    Column("bucket", String(256), ForeignKey("buckets.name"), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("created_at", Moment, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("bucket", String(256), nullable=False),
    Column("object", String(256), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("run", String(256)),
    Column("step", String(256)),
    Column("attempt", Integer),
    Column("exit_status", Integer),
    Column("command", _json(), nullable=False),
    Column("environment", _json(), nullable=False),
    Column("working_directory", Text),
    Column("commit", _json()),
    Column("cut_name", String(256), nullable=False, index=True),
    Column("cut", Text),
    Column("claims", _json(), nullable=False),
    Column("same_cut_as", String(36)),
    Column("parent", String(36)),
    Column("task", String(36)),
    Column("freeze_window_seconds", Float, nullable=False),
    Column("consistency", String(32), nullable=False),
    Column("completed_steps", _json(), nullable=False),
    Column("concurrent_steps", _json(), nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("template", _json()),
    ForeignKeyConstraint(["bucket", "object"], ["objects.bucket", "objects.name"]),
    Index(None, "bucket", "object"),
    Index(None, "run"),
)

members = Table(
    "members",
    metadata,
    Column("version", String(36), ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("object", String(512), nullable=False),
    Column("volume", String(256), nullable=False),
    Column("claim", String(256), nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("filesystem", String(32), nullable=False),
    Column("mount_path", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("readonly", Boolean, nullable=False),
    Column("consistency", String(32), nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("bucket", String(256), nullable=False),
    Column("object", String(256), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("progress", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("owner", Text, nullable=False),
)

notebooks = Table(
    "notebooks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String(256), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("volumes", _json(), nullable=False),
    Column("environment", _json(), nullable=False),
    Column("working_directory", Text),
    Column("image", Text, nullable=False),
    Column("restored_from", String(36)),
    Column("state", String(16), nullable=False),
    Column("task", String(36)),
)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(256), nullable=False, unique=True),
    Column("pipeline", String(256), nullable=False, index=True),
    Column("notebook", String(256), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("status", String(16), nullable=False, index=True),
    Column("message", Text, nullable=False),
    Column("origin", String(36)),
    Column("leg", Integer, nullable=False),
    Column("definition", Text, nullable=False),
    Column("parameters", _json(), nullable=False),
    Column("environment", _json(), nullable=False),
    Column("working_directory", Text),
    Column("volumes", _json(), nullable=False),
    Column("marshal_directory", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("task", String(36)),
    Column("idle_seconds", Float, nullable=False, server_default="0"),
)

steps = Table(
    "steps",
    metadata,
    Column("run", String(256), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("needs", _json(), nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("run", String(256), primary_key=True),
    Column("step", String(256), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("pod", String(256), nullable=False),
    Column("status", String(16), nullable=False),
    Column("exit_status", Integer),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("before", String(36)),
    Column("after", String(36)),
    Column("command", _json(), nullable=False),
    Column("environment", _json(), nullable=False),
    Column("working_directory", Text),
    Column("mounts", _json(), nullable=False),
    Column("log", Text),
    Column("log_tail", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("pod_uid", String(128), nullable=False, server_default=""),
    Column("template", _json()),
    ForeignKeyConstraint(["run", "step"], ["steps.run", "steps.name"], ondelete="CASCADE"),
)
