"""A question before something goes for good."""

from __future__ import annotations

import typer


def ask_first(question: str, *, yes: bool) -> None:
    """Ask a person; programs, whose standard input is no terminal, have decided already."""
    if yes or not typer.get_text_stream("stdin").isatty():
        return
    if not typer.confirm(question, err=True):
        typer.echo("nothing was done", err=True)
        raise typer.Exit(0)
