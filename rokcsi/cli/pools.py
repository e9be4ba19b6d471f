"""`rokcsi pool`: make, check and describe the pool, while no driver serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.formats import Format, dump
from rokcsi.cli.page import Page
from rokcsi.cli.room import room_lines
from rokcsi.config.reading import read_settings
from rokcsi.wiring.pool_care import PoolReport, check_pool, create_pool, describe_pool

pool_app = typer.Typer(no_args_is_help=True, help="Look after the pool, while no driver serves it.")

PoolOption = Annotated[str | None, typer.Option("--pool", metavar="KIND:PLACE", help="The pool; else the setting.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.")]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]


@pool_app.command()
def create(pool: PoolOption = None, config: ConfigFile = None) -> None:
    """Make the pool where there is none yet; one that is there stays as it is."""
    report = create_pool(read_settings({"pool": pool}, config).serve)
    typer.echo(f"pool {report.name} is there ({report.id}), {report.capacity.available} available")


@pool_app.command()
def describe(pool: PoolOption = None, config: ConfigFile = None, output: Output = Format.TABLE) -> None:
    """Show what the pool is, what it holds and how much room it has."""
    _show(describe_pool(read_settings({"pool": pool}, config).serve), output)


@pool_app.command()
def check(pool: PoolOption = None, config: ConfigFile = None) -> None:
    """Look for what a crash has left in the pool; exit status 1 when there is something."""
    leftovers = check_pool(read_settings({"pool": pool}, config).serve)
    for leftover in leftovers:
        typer.echo(f"{leftover.kind} {leftover.where}: {leftover.why}")
    if leftovers:
        typer.echo("`rokcsi doctor --fix` clears them", err=True)
        raise typer.Exit(1)
    typer.echo("nothing left over")


def _show(report: PoolReport, output: Format) -> None:
    if output in {Format.JSON, Format.YAML}:
        dump(report, output)
    elif output is Format.NAME:
        typer.echo(f"pool/{report.name}")
    else:
        _page(report).show()


def _page(report: PoolReport) -> Page:
    page = Page()
    page.line("Pool", report.name)
    page.line("Id", report.id)
    room_lines(page, report.capacity)
    page.line("Volumes", report.volumes)
    page.line("Snapshots", report.snapshots)
    page.line("Allocation unit", report.allocation_unit)
    page.line("Most extents", report.most_extents)
    return page
