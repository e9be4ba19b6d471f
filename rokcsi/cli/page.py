"""A page of details, as `kubectl describe` prints: labels, values, and small tables below headings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import typer

from rokcsi.cli.formats import Column, drawn_table

T = TypeVar("T")
_LABEL_WIDTH = 22
_INDENT = "  "


class Page:
    """Gathers lines and prints them at the end."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, label: str, value: object) -> None:
        """Add one fact; a value of several lines is set below itself."""
        first, *rest = str(value).splitlines() or [""]
        self._lines.append(f"{label + ':':{_LABEL_WIDTH}}{first}".rstrip())
        self._lines.extend(f"{'':{_LABEL_WIDTH}}{line}".rstrip() for line in rest)

    def table(self, heading: str, rows: Sequence[T], columns: Sequence[Column[T]]) -> None:
        """Add a table below a heading; says `none` where there are no rows."""
        if not rows:
            self.line(heading, "none")
            return
        self._lines.append(f"{heading}:")
        self._lines.extend(_INDENT + line for line in drawn_table(rows, columns))

    def text(self, heading: str, text: str) -> None:
        """Add a block of text below a heading."""
        self._lines.append(f"{heading}:")
        self._lines.extend(_INDENT + line for line in text.splitlines())

    def show(self) -> None:
        """Print the page."""
        typer.echo("\n".join(self._lines))
