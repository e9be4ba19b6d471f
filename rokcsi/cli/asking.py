"""The commands of `rokctl` that ask: get, describe, logs, wait. None of them needs the driver, none changes anything."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from rokcsi.cli import in_cluster
from rokcsi.cli.completing import checkpoints, kinds, names_of_kind, runs, steps
from rokcsi.cli.formats import Format, dump, show_list, show_one
from rokcsi.cli.nouns import Noun, Scope, kind_and_names, name_in, run_and_step
from rokcsi.cli.opening import cluster_place, session, undone
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import TaskStatus
from rokcsi.model.runs import RunStatus
from rokcsi.sdk import Session
from rokcsi.wiring.exits import FAILED

_POLL_SECONDS = 0.5

Kind = Annotated[str, typer.Argument(metavar="KIND", help="notebooks, checkpoints, runs …", autocompletion=kinds)]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]


def get(
    context: typer.Context,
    kind: Kind,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=names_of_kind)] = None,
    output: Output = Format.TABLE,
    bucket: Annotated[
        str | None, typer.Option(help="Only what is filed in this bucket (a pipeline's, for runs).")
    ] = None,
    object: Annotated[str | None, typer.Option(help="Only checkpoints of this object.")] = None,
    run: Annotated[str | None, typer.Option(help="Only what belongs to this run.", autocompletion=runs)] = None,
) -> None:
    """List things of one kind, or show the ones that are named.

    Kinds: notebooks (nb), checkpoints (cp, versions), buckets, objects, tasks, runs, steps,
    claims (pvc), pods, pools. `KIND/NAME` is understood too.
    """
    chosen, given = kind_and_names(kind, names or [])
    scope = Scope() if given else _scope(chosen, bucket, object, run)
    if (place := cluster_place(context)) is not None:
        in_cluster.get(place, chosen, given, scope, output)
        return
    with session(context) as opened:
        if not given:
            show_list(chosen.listed(opened, scope), chosen.columns, output, lambda each: _full_name(chosen, each))
            return
        found = [chosen.found(opened, name) for name in given]
    if len(found) == 1:
        show_one(found[0], chosen.columns, output, lambda each: _full_name(chosen, each))
    else:
        show_list(found, chosen.columns, output, lambda each: _full_name(chosen, each))


def describe(
    context: typer.Context,
    kind: Kind,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", autocompletion=names_of_kind)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show everything that is known of a thing: its page of details.

    A checkpoint is named by its id, the first 6 digits of it, or its URL; a step as RUN/STEP;
    an object as BUCKET/OBJECT. Without a name, all of the kind are described.
    """
    if output is Format.WIDE:
        raise InvalidRequest("a page of details has no wider form; leave -o out, or take json, yaml or name")
    chosen, given = kind_and_names(kind, names or [])
    if (place := cluster_place(context)) is not None:
        in_cluster.describe(place, chosen, given, output)
        return
    with session(context) as opened:
        things = [chosen.found(opened, name) for name in given] if given else list(chosen.listed(opened, Scope()))
        for number, thing in enumerate(things):
            if output in {Format.JSON, Format.YAML}:
                dump(chosen.details(opened, thing), output)
                continue
            if output is Format.NAME:
                typer.echo(_full_name(chosen, thing))
                continue
            if number:
                typer.echo("")
            chosen.page(opened, thing).show()


def logs(
    context: typer.Context,
    step: Annotated[str, typer.Argument(metavar="RUN/STEP", autocompletion=steps)],
    attempt: Annotated[int | None, typer.Option(help="Which attempt; the last one unless told.")] = None,
) -> None:
    """Print what a step printed."""
    with session(context) as opened:
        typer.echo(opened.log(*run_and_step(name_in(step, "step")), attempt), nl=False)


def url(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", autocompletion=checkpoints)],
) -> None:
    """Print the URL of a checkpoint, which `rokctl restore` takes."""
    if (place := cluster_place(context)) is not None:
        in_cluster.url(place, checkpoint)
        return
    with session(context) as opened:
        typer.echo(opened.url(name_in(checkpoint, "checkpoint")))


def wait(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="run|task", help="What to wait for; run/NAME is understood too.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=names_of_kind)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most; 0 only looks.")] = 3600.0,
) -> None:
    """Wait until a run or a task is over; exit status 1 when it did not succeed or is not over in time."""
    until = time.monotonic() + timeout
    chosen, names = kind_and_names(kind, [name] if name is not None else [])
    if len(names) != 1:
        raise InvalidRequest(f"name one {chosen.name} to wait for: rokctl wait {chosen.name} NAME")
    with session(context) as opened, undone("nothing was changed; what you waited for goes on"):
        status = _status(opened, chosen, names[0])
        while status in {RunStatus.RUNNING, TaskStatus.RUNNING, TaskStatus.PENDING} and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            status = _status(opened, chosen, names[0])
    typer.echo(f"{chosen.name}/{names[0]} {status}")
    if status not in {RunStatus.SUCCEEDED, TaskStatus.SUCCESS}:
        raise typer.Exit(FAILED)


def _status(opened: Session, chosen: Noun, name: str) -> RunStatus | TaskStatus:
    if chosen.name == "run":
        return opened.run_named(name).status
    if chosen.name == "task":
        return opened.task(name).status
    raise InvalidRequest(f"one can wait for a run or a task, not for a {chosen.name}")


def _scope(chosen: Noun, bucket: str | None, object: str | None, run: str | None) -> Scope:
    given = {"bucket": bucket, "object": object, "run": run}
    for name, value in given.items():
        if value is not None and name not in chosen.scoped_by:
            raise InvalidRequest(f"{chosen.plural} cannot be restricted by --{name}")
    of_bucket = None if bucket is None else name_in(bucket, "bucket")
    return Scope(of_bucket, object, None if run is None else name_in(run, "run"))


def _full_name(chosen: Noun, thing: object) -> str:
    return f"{chosen.name}/{chosen.name_of(thing)}"
