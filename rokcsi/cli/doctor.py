"""`rokcsi doctor`: what the driver needs and does not find, and what a crash has left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.formats import Column, Format, dump, print_table
from rokcsi.cli.words import yes
from rokcsi.config.reading import read_settings
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.pool import Leftover
from rokcsi.wiring.doctor import Diagnosis, clear, diagnosis
from rokcsi.wiring.exits import FAILED
from rokcsi.wiring.needs import Need

_NEEDS = (
    Column[Need]("NEED", lambda need: need.what),
    Column[Need]("MET", lambda need: yes(need.met)),
    Column[Need]("SEEN", lambda need: need.seen),
    Column[Need]("TO DO", lambda need: "-" if need.met else need.remedy),
)
_FINDINGS = (
    Column[Leftover]("LEFT OVER", lambda finding: finding.kind),
    Column[Leftover]("WHERE", lambda finding: str(finding.where)),
    Column[Leftover]("WHY", lambda finding: finding.why),
)


def doctor(
    pool: Annotated[
        str | None, typer.Option("--pool", metavar="KIND:PLACE", help="The pool; else the setting.")
    ] = None,
    home: Annotated[
        str | None, typer.Option("--home", metavar="PATH", help="The local set-up; else the setting.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Clear what is left over, after showing it.")] = False,
    yes_to_all: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")] = Format.TABLE,
) -> None:
    """Show what is missing on this machine and what a crash has left behind.

    Changes nothing unless --fix is given. Exit status 1 when something is wrong.
    """
    if fix and not yes_to_all and not typer.get_text_stream("stdin").isatty():
        raise InvalidRequest("--fix asks before it clears anything; add --yes where nobody can be asked")
    settings = read_settings({"pool": pool, "home": home}, config)
    found = diagnosis(settings.serve, settings.local)
    if output in {Format.JSON, Format.YAML}:
        dump(found, output)
    else:
        _show(found)
    well = found.well
    clearable = [leftover for leftover in found.leftovers if leftover.clearable]
    if fix and clearable and (yes_to_all or typer.confirm(f"Clear these {len(clearable)}?", err=True)):
        left = clear(found, settings.serve, settings.local)
        for leftover in found.leftovers:
            typer.echo(f"{'kept' if leftover in left else 'cleared'}: {leftover.kind} {leftover.where}", err=True)
        well = not left
    if not well:
        raise typer.Exit(FAILED)


def _show(found: Diagnosis) -> None:
    print_table(found.needs, _NEEDS)
    typer.echo("")
    for note in found.notes:
        typer.echo(note)
    if found.leftovers:
        print_table(found.leftovers, _FINDINGS)
        typer.echo(
            "\nNothing was changed yet; `rokcsi doctor --fix` clears what is left over, not what is damaged.", err=True
        )
    else:
        typer.echo("Nothing left over.")
