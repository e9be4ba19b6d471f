"""`rokctl catalog`: what is to be done with the catalogue itself."""

from __future__ import annotations

from typing import Annotated

import typer

from rokcsi.cli import columns
from rokcsi.cli.formats import Column, print_table
from rokcsi.cli.opening import session, undone
from rokcsi.model.history import Version
from rokcsi.pipeline.rebuild import Unreadable

catalog_app = typer.Typer(no_args_is_help=True, help="What is remembered of checkpoints.")
_FOUND = (*columns.VERSION[:3], *columns.VERSION[5:7], Column[Version]("BUCKET", lambda version: version.bucket))
_UNREADABLE = (
    Column[Unreadable]("NOT TO BE READ", lambda each: each.cut),
    Column[Unreadable]("WHY", lambda each: each.why),
)


@catalog_app.command("rebuild")
def rebuild(
    context: typer.Context,
    add: Annotated[bool, typer.Option("--add", help="Add what was found, after showing it.")] = False,
) -> None:
    """Find checkpoints that the pool has and the catalogue does not, after the catalogue was lost or damaged.

    Only shows them, unless --add is given. What the catalogue knows stays as it is; a second time adds nothing.
    Runs, notebooks and environments are not kept with the snapshots and do not come back.
    """
    with session(context, begins=True) as opened, undone("what is missing is added when the command is repeated"):
        found = opened.rebuild(dry_run=not add)
    if found.versions:
        print_table(found.versions, _FOUND)
    if found.unreadable:
        print_table(found.unreadable, _UNREADABLE)
    many = "1 checkpoint" if len(found.versions) == 1 else f"{len(found.versions)} checkpoints"
    if not found.versions:
        typer.echo("the catalogue knows every checkpoint that the pool tells of", err=True)
    elif add:
        typer.echo(f"added {many}")
    else:
        typer.echo(f"\nNothing was added yet; `rokctl catalog rebuild --add` adds {many}.", err=True)
