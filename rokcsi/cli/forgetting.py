"""The commands of `rokctl` that take away or keep: delete, retain, pin, unpin."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

import typer

from rokcsi.cli import completing, in_cluster
from rokcsi.cli.asking import Kind
from rokcsi.cli.asking_first import ask_first
from rokcsi.cli.nouns import kind_and_names, name_in
from rokcsi.cli.opening import cluster_place, session, undone
from rokcsi.cli.words import counted
from rokcsi.model.errors import InvalidRequest, NotSupported
from rokcsi.pipeline.retention import RetentionPlan

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_AGE = re.compile(r"([0-9]{1,40})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def delete(
    context: typer.Context,
    kind: Kind,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", autocompletion=completing.names_of_kind)] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    ignore_missing: Annotated[bool, typer.Option("--ignore-not-found", help="What is gone already is fine.")] = False,
) -> None:
    """Delete notebooks, checkpoints, runs or empty buckets; what was cloned from them lives on.

    A notebook's checkpoints stay when it goes; a run takes its volumes and checkpoints with it.
    On a terminal it asks first.
    """
    chosen, given = kind_and_names(kind, names or [])
    if chosen.delete is None:
        raise NotSupported(
            f"{chosen.plural} cannot be deleted by themselves; delete the notebook or run they belong to"
        )
    if not given:
        raise InvalidRequest(f"name what to delete: rokctl delete {chosen.name} NAME")
    if (place := cluster_place(context)) is not None:
        in_cluster.delete(place, chosen, given, yes=yes, dry_run=dry_run, missing_is_fine=ignore_missing)
        return
    with session(context) as opened, undone("what was not reported as deleted may be half gone; repeat the command"):
        things = [thing for name in given if (thing := chosen.found_or_none(opened, name, ignore_missing)) is not None]
        labels = [f"{chosen.name}/{chosen.name_of(thing)}" for thing in things]
        if dry_run:
            for label in labels:
                typer.echo(f"{label} would be deleted")
            return
        ask_first(f"Delete {', '.join(labels)}?", yes=yes or not labels)
        for thing, label in zip(things, labels, strict=True):
            chosen.delete(opened, thing)
            typer.echo(f"{label} deleted")


def retain(
    context: typer.Context,
    keep_last: Annotated[
        int | None, typer.Option("--keep-last", metavar="N", help="Of each notebook, keep the newest N checkpoints.")
    ] = None,
    keep_runs: Annotated[
        int | None, typer.Option("--keep-runs", metavar="N", help="Of each pipeline, keep the newest N runs.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Delete only what is older: 90m, 12h, 30d, 4w.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete old checkpoints and runs by rule. Pinned ones stay, and those that something present was made from."""
    age = None if older_than is None else parsed_age(older_than)
    with session(context) as opened, undone("what is left goes when the command is repeated"):
        plan = opened.retain(keep_last=keep_last, keep_runs=keep_runs, older_than=age, dry_run=True)
        _show(plan, "would be deleted" if dry_run else "to be deleted")
        if dry_run or not (plan.versions or plan.runs):
            return
        many = f"{counted(len(plan.versions), 'checkpoint')} and {counted(len(plan.runs), 'run')}"
        ask_first(f"Delete {many}?", yes=yes)
        opened.forget(plan)
    typer.echo(f"deleted {many}")


def pin(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", autocompletion=completing.checkpoints)],
) -> None:
    """Keep a checkpoint from being deleted, by hand or by rule."""
    if (place := cluster_place(context)) is not None:
        in_cluster.pin(place, checkpoint, pinned=True)
        return
    with session(context) as opened:
        typer.echo(f"checkpoint/{opened.pin(name_in(checkpoint, 'checkpoint')).id} pinned")


def unpin(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", autocompletion=completing.checkpoints)],
) -> None:
    """Let a pinned checkpoint be deleted again."""
    if (place := cluster_place(context)) is not None:
        in_cluster.pin(place, checkpoint, pinned=False)
        return
    with session(context) as opened:
        typer.echo(f"checkpoint/{opened.pin(name_in(checkpoint, 'checkpoint'), pinned=False).id} unpinned")


def parsed_age(text: str) -> dt.timedelta:
    """Read an age such as 90m, 12h, 30d; raise InvalidRequest."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(f"not an age: {text!r}; write it as 90m, 12h, 30d or 4w")
    try:
        return dt.timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError as error:
        raise InvalidRequest(f"{text!r} is too long an age; it cannot be more than a hundred years") from error


def _show(plan: RetentionPlan, words: str) -> None:
    for run in plan.runs:
        typer.echo(f"run/{run.id} {words}")
    for version in plan.versions:
        typer.echo(f"checkpoint/{version.id} {words}")
    for kept in plan.kept:
        typer.echo(f"{kept.name} stays: {kept.why}", err=True)
    if not (plan.versions or plan.runs):
        typer.echo("nothing to delete", err=True)
