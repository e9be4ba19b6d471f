"""How an answer is printed: `-o table|wide|json|yaml|name`.

A table is drawn for people: no lines, and nothing is cut, as kubectl's, so that whatever it
shows can be pasted; where a row is wider than the terminal, the terminal folds it. JSON and YAML are the answer's frozen dataclasses field by field: sizes are numbers
of bytes, instants ISO 8601 in UTC, durations seconds.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rokcsi.model.sizes import Bytes

T = TypeVar("T")
_UNLIMITED = 1_000_000  # columns


class Format(StrEnum):
    """The formats of a list or of one thing."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)  # no slots: `Column[T](…)` notes its T on the object
class Column(Generic[T]):
    """One column: its heading, the text of a row, and whether only `wide` shows it."""

    heading: str
    text: Callable[[T], str]
    wide: bool = False


def plain(value: Any) -> Any:
    """Give a value as JSON and YAML know it: dataclasses become mappings, sizes numbers, instants ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, Bytes):
        return int(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(part) for part in value]
    return value


def dump(value: Any, form: Format) -> None:
    """Print a value as JSON or YAML."""
    if form is Format.JSON:
        typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True), nl=False)


def show_list(rows: Sequence[T], columns: Sequence[Column[T]], form: Format, name: Callable[[T], str]) -> None:
    """Print a list of things in the chosen format; `name` gives what `-o name` prints of each."""
    if form in {Format.JSON, Format.YAML}:
        dump(list(rows), form)
    elif form is Format.NAME:
        for row in rows:
            typer.echo(name(row))
    elif not rows:
        typer.echo("Nothing found.", err=True)
    else:
        print_table(rows, [column for column in columns if form is Format.WIDE or not column.wide])


def show_one(value: T, columns: Sequence[Column[T]], form: Format, name: Callable[[T], str]) -> None:
    """Print one thing: a table of one row, or the thing itself in JSON and YAML."""
    if form in {Format.JSON, Format.YAML}:
        dump(value, form)
    else:
        show_list([value], columns, form, name)


def print_table(rows: Sequence[T], columns: Sequence[Column[T]]) -> None:
    """Print a table, whole."""
    typer.echo("\n".join(drawn_table(rows, columns)))


def drawn_table(rows: Sequence[T], columns: Sequence[Column[T]]) -> Sequence[str]:
    """Give the lines of a table."""
    console = Console(file=sys.stdout, width=_UNLIMITED, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.heading, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_one_line(column.text(row))) for column in columns))
    with console.capture() as drawn:
        console.print(table)
    return [line.rstrip() for line in drawn.get().splitlines()]


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
