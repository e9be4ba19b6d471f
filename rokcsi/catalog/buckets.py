"""Buckets and objects in SQL; objects come and go with their versions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import delete, func, select

from rokcsi.catalog import schema, statements
from rokcsi.catalog.database import Database
from rokcsi.model.errors import StillInUse
from rokcsi.model.history import Bucket, FileObject, VersionState


class SqlBuckets:
    """Fits `rokcsi.model.catalog.Buckets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str) -> Bucket:
        """Make a bucket, or give the one that is there."""
        with self._database.writing() as connection:
            statements.add_missing(connection, schema.buckets, {"name": name, "created_at": dt.datetime.now(dt.UTC)})
        return self.get(name)

    def get(self, name: str) -> Bucket:
        """Give one bucket; raise RecordNotFound."""
        for bucket in self.list():
            if bucket.name == name:
                return bucket
        raise statements.missing("bucket", name)

    def list(self) -> Sequence[Bucket]:
        """Give all buckets, ordered by name."""
        buckets, objects = schema.buckets.c, schema.objects.c
        query = (
            select(buckets.name, buckets.created_at, func.count(objects.name).label("objects"))
            .select_from(schema.buckets.outerjoin(schema.objects))
            .group_by(buckets.name, buckets.created_at)
            .order_by(buckets.name)
        )
        with self._database.reading() as connection:
            return [Bucket(row.name, row.created_at, row.objects) for row in connection.execute(query)]

    def objects(self, bucket: str) -> Sequence[FileObject]:
        """Give the objects in a bucket, the oldest first; raise RecordNotFound for an unknown one."""
        self.get(bucket)
        versions, objects = schema.versions.c, schema.objects.c
        ready = versions.state == VersionState.READY
        counts = (
            select(versions.object, func.count().label("versions"), func.max(versions.number).label("newest"))
            .where(versions.bucket == bucket, ready)
            .group_by(versions.object)
            .subquery()
        )
        query = (
            select(objects.name, objects.created_at, counts.c.versions, versions.id)
            .select_from(
                schema.objects.outerjoin(counts, counts.c.object == objects.name).outerjoin(
                    schema.versions, versions.number == counts.c.newest
                )
            )
            .where(objects.bucket == bucket)
            .order_by(objects.created_at, objects.name)
        )
        with self._database.reading() as connection:
            return [
                FileObject(bucket, row.name, row.created_at, row.versions or 0, row.id)
                for row in connection.execute(query)
            ]

    def remove(self, name: str) -> None:
        """Forget an empty bucket; raise StillInUse when it holds objects."""
        with self._database.writing() as connection:
            if connection.execute(select(schema.objects).where(schema.objects.c.bucket == name)).first() is not None:
                raise StillInUse(f"bucket {name!r} holds objects; delete their versions first")
            connection.execute(delete(schema.buckets).where(schema.buckets.c.name == name))
