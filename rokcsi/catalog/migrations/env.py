"""Alembic's door: it is given a connection whose transaction its caller ends."""

from __future__ import annotations

from alembic import context

from rokcsi.catalog.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
