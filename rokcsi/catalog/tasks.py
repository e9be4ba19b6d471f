"""Tasks in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from rokcsi.catalog import rows, schema, statements
from rokcsi.catalog.database import Database
from rokcsi.model.history import Task, TaskStatus

_TABLE = schema.tasks


class SqlTasks:
    """Fits `rokcsi.model.catalog.Tasks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, task: Task) -> None:
        """Record a task before its deed begins; raise RecordExists."""
        with self._database.writing() as connection:
            statements.add(connection, _TABLE, _TABLE.c.id, rows.task_columns(task), "task")

    def save(self, task: Task) -> None:
        """Store a task's progress; raise RecordNotFound."""
        with self._database.writing() as connection:
            statements.save(connection, _TABLE, _TABLE.c.id, rows.task_columns(task), "task")

    def get(self, id: str) -> Task:
        """Give one task; raise RecordNotFound."""
        with self._database.reading() as connection:
            return rows.task_of(statements.one(connection, _TABLE, _TABLE.c.id, id, "task"))

    def list(self, *, bucket: str | None = None, status: TaskStatus | None = None) -> Sequence[Task]:
        """Give the tasks that match, the oldest first."""
        wanted = {"bucket": bucket, "status": status}
        conditions = [_TABLE.c[name] == value for name, value in wanted.items() if value is not None]
        query = select(_TABLE).where(*conditions).order_by(_TABLE.c.created_at, _TABLE.c.number)
        with self._database.reading() as connection:
            return [rows.task_of(row) for row in connection.execute(query).mappings()]

    def remove(self, id: str) -> None:
        """Forget a task."""
        with self._database.writing() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.id == id))
