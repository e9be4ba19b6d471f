"""The catalogue in SQL: the five shelves over one database."""

from __future__ import annotations

from rokcsi.catalog.buckets import SqlBuckets
from rokcsi.catalog.database import Database
from rokcsi.catalog.notebooks import SqlNotebooks
from rokcsi.catalog.runs import SqlRuns
from rokcsi.catalog.tasks import SqlTasks
from rokcsi.catalog.versions import SqlVersions


class SqlCatalog:
    """Fits `rokcsi.model.catalog.Catalog`; may be used by several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.buckets = SqlBuckets(database)
        self.versions = SqlVersions(database)
        self.tasks = SqlTasks(database)
        self.notebooks = SqlNotebooks(database)
        self.runs = SqlRuns(database)

    @property
    def is_damaged(self) -> bool:
        """Tell whether SQLite has found its file damaged since it was opened."""
        return self._database.is_damaged

    def close(self) -> None:
        """Give the database back."""
        self._database.close()
