"""How the demo speaks: parts with a title, a reason and a time, and claims that are checked as they are made."""

from __future__ import annotations

import io
import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from rokcsi.cli.page import Page

PICTURE_WIDTH = 104


class StoryBroken(Exception):
    """Something that the demo claims is not so; the text says what."""


@dataclass
class Teller:
    """Writes the demo to a console and remembers how long each part took and which claims held.

    `picture` is a file that gets the parts with a number in `pictured` as a drawing.
    """

    console: Console
    picture: Path | None = None
    pictured: range = range(5, 9)
    times: list[tuple[str, float]] = field(default_factory=list)
    claims: list[str] = field(default_factory=list)
    begin: float = field(default_factory=time.monotonic)

    @contextmanager
    def part(self, title: str, why: str) -> Iterator[None]:
        """Announce a part, let it happen, say how long it took."""
        number = len(self.times) + 1
        if number == self.pictured.start and self.picture:
            self.console.export_text(clear=True)  # what came before is not in the picture
        self.console.print()
        self.console.rule(Text.assemble((f" {number}  ", "dim"), (title, "bold cyan"), " "), align="left")
        self.console.print(why, style="italic", highlight=False)
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        self.times.append((title, seconds))
        self.console.print(f"[dim]this part took {lasting(seconds)}[/]", highlight=False)
        if number == self.pictured.stop - 1 and self.picture:
            self.picture.write_text(_drawing(self.console), encoding="utf-8")

    def say(self, text: str) -> None:
        """Write one line; rich's markup is understood."""
        self.console.print(text, highlight=False)

    def command(self, text: str) -> None:
        """Show the command that does what the demo does now."""
        self.console.print(Text.assemble(("  $ ", "dim"), (text, "green")), soft_wrap=True)

    def show(self, table: Table) -> None:
        """Show a table."""
        self.console.print(table)

    def page(self, page: Page) -> None:
        """Show a page of details, as `rokctl describe` does."""
        with redirect_stdout(io.StringIO()) as text:
            page.show()
        for line in text.getvalue().splitlines():
            self.console.print(Text("    " + line, style="dim"), no_wrap=True, overflow="ellipsis")

    def difference(self, text: str) -> None:
        """Show what was changed in a file."""
        self.console.print(Syntax(text, "diff", theme="ansi_dark", background_color="default"))

    def quote(self, text: str) -> None:
        """Show what a program said."""
        for line in textwrap.wrap(text, PICTURE_WIDTH - 8):
            self.console.print(Text.assemble(("  │ ", "red"), line))

    def claim(self, text: str, *, holds: bool, otherwise: str = "") -> None:
        """Say what is so, after making sure; raise StoryBroken."""
        if not holds:
            self.console.print(Text.assemble(("  ✗ ", "bold red"), text))
            raise StoryBroken(f"not so: {text}" + (f" ({otherwise})" if otherwise else ""))
        self.claims.append(text)
        self.console.print(Text.assemble(("  ✓ ", "bold green"), text))

    def summary(self) -> None:
        """Show how long every part took."""
        table = a_table("part", "took")
        table.columns[1].justify = "right"
        for title, seconds in self.times:
            table.add_row(title, lasting(seconds))
        table.add_section()
        table.add_row("all", lasting(time.monotonic() - self.begin), style="bold")
        title = f"{len(self.claims)} claims checked, all hold"
        self.console.print()
        self.console.print(Panel(table, title=title, border_style="green", expand=False))


def _drawing(console: Console) -> str:
    """Give what the console has recorded as SVG, without the fonts that rich would load from elsewhere."""
    drawn = console.export_svg(title="make demo", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code,", "")


def a_table(*columns: str, title: str | None = None) -> Table:
    """Give an empty table in the demo's style."""
    return Table(*columns, title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)


def lasting(seconds: float) -> str:
    """Write a duration as people say it."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"
