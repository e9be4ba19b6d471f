"""`rokctl catalog`: what is to be done with the catalogue itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer

from rokcsi.cli import columns
from rokcsi.cli.formats import Column, print_table
from rokcsi.cli.opening import session, undone
from rokcsi.cli.words import counted
from rokcsi.model.history import Version
from rokcsi.pipeline.rebuild import RebuildPlan, Unreadable

catalog_app = typer.Typer(no_args_is_help=True, help="What is remembered of checkpoints.")
_T = TypeVar("_T")
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

    Only shows them, and the notebooks and runs that they tell of, unless --add is given. What the catalogue knows
    stays as it is; a second time adds nothing.
    """
    with session(context, begins=True) as opened, undone("what is missing is added when the command is repeated"):
        found = opened.rebuild(dry_run=not add)
    _show(found)
    if found.is_empty:
        typer.echo("the catalogue knows every checkpoint that the pool tells of", err=True)
    elif add:
        typer.echo(f"added {_many(found)}")
    else:
        typer.echo(f"nothing was added yet; `rokctl catalog rebuild --add` adds {_many(found)}", err=True)


def _show(found: RebuildPlan) -> None:
    if found.versions:
        print_table(found.versions, _FOUND)
    if found.notebooks:
        typer.echo("")
        print_table(found.notebooks, _narrow(columns.NOTEBOOK))
    if found.runs:
        typer.echo("")
        print_table(found.runs, _narrow(columns.RUN))
    if found.unreadable:
        typer.echo("")
        print_table(found.unreadable, _UNREADABLE)


def _narrow(shape: Sequence[Column[_T]]) -> Sequence[Column[_T]]:
    return [column for column in shape if not column.wide]


def _many(found: RebuildPlan) -> str:
    counts = {"checkpoint": len(found.versions), "notebook": len(found.notebooks), "run": len(found.runs)}
    return ", ".join(counted(number, word) for word, number in counts.items() if number)
