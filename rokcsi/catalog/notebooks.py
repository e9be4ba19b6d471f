"""Notebooks in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from rokcsi.catalog import rows, schema, statements
from rokcsi.catalog.database import Database
from rokcsi.model.history import Notebook

_TABLE = schema.notebooks


class SqlNotebooks:
    """Fits `rokcsi.model.catalog.Notebooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, notebook: Notebook) -> None:
        """Record a notebook; raise RecordExists."""
        with self._database.writing() as connection:
            statements.add(connection, _TABLE, _TABLE.c.name, rows.notebook_columns(notebook), "notebook")

    def save(self, notebook: Notebook) -> None:
        """Store a notebook that was added before; raise RecordNotFound."""
        with self._database.writing() as connection:
            statements.save(connection, _TABLE, _TABLE.c.name, rows.notebook_columns(notebook), "notebook")

    def get(self, name: str) -> Notebook:
        """Give one notebook, whatever its state; raise RecordNotFound."""
        with self._database.reading() as connection:
            return rows.notebook_of(statements.one(connection, _TABLE, _TABLE.c.name, name, "notebook"))

    def list(self) -> Sequence[Notebook]:
        """Give all notebooks, the oldest first."""
        query = select(_TABLE).order_by(_TABLE.c.created_at, _TABLE.c.number)
        with self._database.reading() as connection:
            return [rows.notebook_of(row) for row in connection.execute(query).mappings()]

    def remove(self, name: str) -> None:
        """Forget a notebook."""
        with self._database.writing() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.name == name))
