"""Versions and their members in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select

from rokcsi.catalog import rows, schema, statements
from rokcsi.catalog.database import Database
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import Version, VersionState

_TABLE, _MEMBERS = schema.versions, schema.members


class SqlVersions:
    """Fits `rokcsi.model.catalog.Versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, version: Version) -> None:
        """File a version; its bucket and object are made when missing."""
        at = version.created_at
        with self._database.writing() as connection:
            statements.add_missing(connection, schema.buckets, {"name": version.bucket, "created_at": at})
            filed = {"bucket": version.bucket, "name": version.object, "created_at": at}
            statements.add_missing(connection, schema.objects, filed)
            statements.add(connection, _TABLE, _TABLE.c.id, rows.version_columns(version), "version")
            _add_members(connection, version)

    def save(self, version: Version) -> None:
        """Store a version that was added before; raise RecordNotFound."""
        with self._database.writing() as connection:
            statements.save(connection, _TABLE, _TABLE.c.id, rows.version_columns(version), "version")
            connection.execute(delete(_MEMBERS).where(_MEMBERS.c.version == version.id))
            _add_members(connection, version)

    def get(self, id: str) -> Version:
        """Give one version, whatever its state; raise RecordNotFound."""
        found = self._select(_TABLE.c.id == id)
        if not found:
            raise statements.missing("version", id)
        return found[0]

    def find(self, prefix: str) -> Version:
        """Give the one ready version whose id begins so; raise RecordNotFound, or InvalidRequest when several do."""
        begins = _TABLE.c.id.startswith(prefix, autoescape=True)
        found = self._select(begins, _TABLE.c.state == VersionState.READY)
        if not found:
            raise RecordNotFound(f"there is no version {prefix[:60]!r}; `rokctl get versions` lists them")
        if len(found) > 1:
            raise InvalidRequest(
                f"{len(found)} versions begin with {prefix!r} ({', '.join(version.id for version in found[:4])}); "
                "give more digits"
            )
        return found[0]

    def list(self, which: VersionFilter) -> Sequence[Version]:
        """Give the versions that match, the oldest first."""
        wanted = {"bucket": which.bucket, "object": which.object, "run": which.run, "state": which.state}
        return self._select(*(_TABLE.c[name] == value for name, value in wanted.items() if value is not None))

    def sharing(self, cut_name: str) -> Sequence[Version]:
        """Give all versions that rest on one cut, whatever their state."""
        return self._select(_TABLE.c.cut_name == cut_name)

    def remove(self, id: str) -> None:
        """Forget a version; an object without versions goes with it."""
        objects = schema.objects.c
        with self._database.writing() as connection:
            filed = connection.execute(select(_TABLE.c.bucket, _TABLE.c.object).where(_TABLE.c.id == id)).first()
            if filed is None:
                return
            connection.execute(delete(_TABLE).where(_TABLE.c.id == id))
            left = select(_TABLE.c.id).where(_TABLE.c.bucket == filed.bucket, _TABLE.c.object == filed.object)
            if connection.execute(left.limit(1)).first() is None:
                this = (objects.bucket == filed.bucket) & (objects.name == filed.object)
                connection.execute(delete(schema.objects).where(this))

    def _select(self, *conditions: ColumnElement[bool]) -> Sequence[Version]:
        query = select(_TABLE).where(*conditions).order_by(_TABLE.c.created_at, _TABLE.c.number)
        ids = select(_TABLE.c.id).where(*conditions)
        of_them = select(_MEMBERS).where(_MEMBERS.c.version.in_(ids)).order_by(_MEMBERS.c.position)
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
            members: dict[str, list[RowMapping]] = defaultdict(list)
            for member in connection.execute(of_them).mappings():
                members[member["version"]].append(member)
        return [rows.version_of(row, members[row["id"]]) for row in found]


def _add_members(connection: Connection, version: Version) -> None:
    if version.members:
        columns = [rows.member_columns(version.id, place, member) for place, member in enumerate(version.members)]
        connection.execute(insert(_MEMBERS), columns)
