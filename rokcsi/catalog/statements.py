"""The statements that every shelf needs: add, save what was added, give one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Dialect, RowMapping, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rokcsi.model.errors import RecordExists, RecordNotFound


def add(connection: Connection, table: Table, key: Column[Any], columns: dict[str, Any], word: str) -> None:
    """Insert a row; raise RecordExists when its key is taken."""
    name = columns[key.name]
    if connection.execute(select(key).where(key == name)).first() is not None:
        raise RecordExists(f"there is a {word} {name!r} in the catalogue already")
    connection.execute(insert(table).values(columns))


def save(connection: Connection, table: Table, key: Column[Any], columns: dict[str, Any], word: str) -> None:
    """Update a row; raise RecordNotFound when it is gone."""
    name = columns[key.name]
    if connection.execute(update(table).where(key == name).values(columns)).rowcount == 0:
        raise missing(word, name)


def one(connection: Connection, table: Table, key: Column[Any], name: str, word: str) -> RowMapping:
    """Give one row; raise RecordNotFound."""
    row = connection.execute(select(table).where(key == name)).mappings().first()
    if row is None:
        raise missing(word, name)
    return row


def missing(word: str, name: str) -> RecordNotFound:
    """Give the error for what is not there."""
    return RecordNotFound(f"there is no {word} {name[:128]!r} in the catalogue; `rokctl get {word}s` lists them")


def upsert(connection: Connection, table: Table, columns: dict[str, Any]) -> None:
    """Insert a row, or replace what it holds besides its key."""
    statement = _insert(connection.dialect, table, columns)
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in columns.items() if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def add_missing(connection: Connection, table: Table, columns: dict[str, Any]) -> None:
    """Insert a row unless there is one of this key."""
    connection.execute(_insert(connection.dialect, table, columns).on_conflict_do_nothing())


def _insert(dialect: Dialect, table: Table, columns: dict[str, Any]) -> sqlite.Insert | postgresql.Insert:
    if dialect.name == "postgresql":
        return postgresql.insert(table).values(columns)
    return sqlite.insert(table).values(columns)
