"""The database behind the catalogue: connections, transactions, and its errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from rokcsi.model.errors import (
    CatalogUnreadable,
    Damaged,
    InvalidRequest,
    LockTimeout,
    OutOfSpace,
    RecordExists,
    RokcsiError,
    SystemCallFailed,
)

_BUSY_SECONDS = 20.0
_MOST_CONNECTIONS = 64
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """Gives transactions: `reading` sees one state, `writing` is alone and durable when it ends.

    One to be looked at only (`only_read`) changes nothing of the file. `is_damaged` tells
    whether SQLite has found it so, here or before.
    """

    def __init__(self, path: Path, *, only_read: bool = False) -> None:
        self._path = path
        self._engine = _reading_engine(path) if only_read else _engine(path)
        self.is_damaged = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look at one state of everything."""
        with self._told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Change something, or nothing at all; waits while another process writes. Raises LockTimeout."""
        writer = self._engine.execution_options(writes=True)
        with self._told(), writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with _told_in_our_words(self._path):
                yield
        except CatalogUnreadable:
            self.is_damaged = True
            raise


def _reading_engine(path: Path) -> Engine:
    """Give an engine that cannot write, and brings no write-ahead log into the file when it is closed."""
    address = f"file:{quote(str(path))}?mode=ro"
    return create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, _BUSY_SECONDS, uri=True), poolclass=NullPool
    )


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        max_overflow=_MOST_CONNECTIONS,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own habit of opening transactions would keep DDL and reads out of them.
        connection.isolation_level = None
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later could not wait for another writer: it would fail.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _told_in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise RecordExists(
            f"the catalogue {path} has that already, or lacks what it belongs to: {error.orig}"
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"a text is not valid Unicode and cannot be kept: {error.object[:60]!r}") from error
    except OperationalError as error:
        raise _operational(path, error) from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = getattr(error, "orig", error)
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        kind = CatalogUnreadable if code in _DAMAGED else Damaged
        raise kind(f"the catalogue {path} cannot be used: {cause}") from error


def _operational(path: Path, error: OperationalError) -> RokcsiError:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LockTimeout(f"another process holds the catalogue {path} for more than {_BUSY_SECONDS:g} s; try again")
    if code == sqlite3.SQLITE_FULL:
        return OutOfSpace(f"there is no room left for the catalogue {path}; free some space")
    return SystemCallFailed(f"the catalogue {path} cannot be used: {error.orig}")
