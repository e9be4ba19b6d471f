"""Opens a catalogue: makes the file when it is missing, brings an older one up to the present schema."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from rokcsi.catalog.database import Database
from rokcsi.catalog.schema import HEAD
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import CatalogUnreadable, Damaged, NotSupported, SystemCallFailed

_MIGRATIONS = Path(__file__).parent / "migrations"
_TABLE = "alembic_version"


def open_catalog(path: Path) -> SqlCatalog:
    """Give the catalogue in a file that only its owner can read.

    Raises NotSupported when a newer rokcsi wrote it, Damaged when it is no catalogue, and
    SystemCallFailed when it cannot be read or made.
    """
    _make_file(path)
    database = Database(path)
    try:
        with database.reading() as connection:
            revision = _revision(connection, path)
        if revision != HEAD:
            _upgrade(database, path)
    except BaseException:
        database.close()
        raise
    return SqlCatalog(database)


def open_whole_catalog(path: Path) -> SqlCatalog:
    """Give a catalogue of which everything can be read; nothing is written into one that is not so.

    Raises what `open_catalog` does, and CatalogUnreadable.
    """
    _make_file(path)
    if path.stat().st_size:
        _examine(path)
    catalog = open_catalog(path)
    try:
        catalog.versions.list(VersionFilter(state=None))
        catalog.runs.list()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        catalog.close()
        raise CatalogUnreadable(f"the catalogue {path} holds what this rokcsi cannot read: {error!s:.128}") from error
    except BaseException:
        catalog.close()
        raise
    return catalog


def _examine(path: Path) -> None:
    """Look at a file as it lies there; raise CatalogUnreadable, and what `_revision` does."""
    database = Database(path, only_read=True)
    try:
        with database.reading() as connection:
            _revision(connection, path)
            found = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
    finally:
        database.close()
    if found != "ok":
        raise CatalogUnreadable(f"the catalogue {path} is damaged: {found!s:.256}")


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its side files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise SystemCallFailed(f"the catalogue {path} cannot be opened: {error.strerror}") from error


def _revision(connection: Connection, path: Path) -> str | None:
    """Give the schema's revision, None for an empty file; raise NotSupported, Damaged."""
    tables = inspect(connection).get_table_names()
    if _TABLE not in tables:
        if tables:
            raise Damaged(f"{path} is a database of something else than rokcsi; name another file")
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()  # noqa: S608 - a constant
    if revision is not None and revision > HEAD:
        raise NotSupported(
            f"the catalogue {path} was written by a newer rokcsi (schema {revision}, known here up to {HEAD}); "
            "upgrade this rokcsi"
        )
    return revision


def _upgrade(database: Database, path: Path) -> None:
    """Run the missing migrations in one transaction; a second process waits, then finds nothing to do."""
    from alembic import command  # noqa: PLC0415 - costs a tenth of a second, and is needed once a release
    from alembic.config import Config  # noqa: PLC0415 - as above

    with database.writing() as connection:
        if _revision(connection, path) == HEAD:
            return
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
