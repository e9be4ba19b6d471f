"""`rokcsi pool`: make, check and describe the pool, while no driver serves it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.formats import Column, Format, dump, print_table
from rokcsi.cli.page import Page
from rokcsi.cli.room import room_lines
from rokcsi.config.reading import read_settings
from rokcsi.model.pool_making import Concern, PoolWish, Step
from rokcsi.model.sizes import Bytes
from rokcsi.wiring.pool_care import (
    PoolReport,
    check_pool,
    concerns_of_pool,
    create_pool,
    describe_pool,
    plan_pool,
)

pool_app = typer.Typer(no_args_is_help=True, help="Look after the pool, while no driver serves it.")

PoolOption = Annotated[str | None, typer.Option("--pool", metavar="KIND:PLACE", help="The pool; else the setting.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.")]
_CONCERNS = (
    Column[Concern]("LOOKED AT", lambda concern: concern.what),
    Column[Concern]("SEEN", lambda concern: concern.seen),
    Column[Concern]("TO DO", lambda concern: "-" if concern.good else concern.remedy),
)

Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]


@pool_app.command()
def create(
    pool: PoolOption = None,
    config: ConfigFile = None,
    disk: Annotated[
        list[Path] | None,
        typer.Option("--disk", metavar="DEVICE", help="A blank disk to make it from; may be given several times."),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="SIZE", help="How large, such as 500Gi; else most of what there is.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
) -> None:
    """Make the pool where there is none yet; one that is there stays as it is. A disk that holds anything is refused."""
    settings = read_settings({"pool": pool}, config).serve
    wish = PoolWish(tuple(disk or ()), None if size is None else Bytes.parse(size))
    if dry_run:
        steps = plan_pool(settings, wish)
        for step in steps:
            _tell(step)
        typer.echo("nothing was changed" if steps else "nothing to prepare, and nothing was changed")
        return
    report = create_pool(settings, wish, told=_tell)
    typer.echo(f"pool {report.name} is there ({report.id}), {report.capacity.available} available")


@pool_app.command()
def describe(pool: PoolOption = None, config: ConfigFile = None, output: Output = Format.TABLE) -> None:
    """Show what the pool is, what it holds and how much room it has."""
    _show(describe_pool(read_settings({"pool": pool}, config).serve), output)


@pool_app.command()
def check(pool: PoolOption = None, config: ConfigFile = None) -> None:
    """Look at how the pool is set up, and for what a crash has left in it; exit status 1 when something is not as it should be."""
    settings = read_settings({"pool": pool}, config).serve
    concerns = concerns_of_pool(settings)
    if concerns:
        print_table(concerns, _CONCERNS)
    leftovers = check_pool(settings)
    for leftover in leftovers:
        typer.echo(f"{leftover.kind} {leftover.where}: {leftover.why}")
    if leftovers:
        typer.echo("`rokcsi doctor --fix` clears them", err=True)
    else:
        typer.echo("nothing left over")
    if leftovers or not all(concern.good for concern in concerns):
        raise typer.Exit(1)


def _tell(step: Step) -> None:
    typer.echo(f"{step.what}:\n    {shlex.join(step.command)}")


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
    if report.most_extents is not None:
        page.line("Most extents", report.most_extents)
    return page
