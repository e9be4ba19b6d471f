"""The commands of `rokctl` that make things: create notebook, checkpoint, run, resume, restore, exec."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from rokcsi.cli import columns, completing, in_cluster
from rokcsi.cli.formats import Column, Format, show_one
from rokcsi.cli.nouns import name_in
from rokcsi.cli.opening import cluster_place, place_of, session, undone
from rokcsi.cli.painting import Painter
from rokcsi.cli.words import short
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import DEFAULT_FILESYSTEM
from rokcsi.model.runs import Run, RunStatus
from rokcsi.sdk import PARALLELISM, NewNotebookVolume, Session, volume
from rokcsi.wiring.background import begun_in_background
from rokcsi.wiring.exits import FAILED
from rokcsi.wiring.in_cluster import Opening
from rokcsi.wiring.local import local_settings

T = TypeVar("T")
_CANCELED = "the run is canceled; its steps have ended"

create_app = typer.Typer(no_args_is_help=True, help="Make a notebook.")

Output = Annotated[
    Format | None, typer.Option("--output", "-o", help="Print the result so; else one line says what was made.")
]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, in your words; the commit's message otherwise.")]
Title = Annotated[str, typer.Option("--title", help="A heading; the commit's title otherwise.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A pipeline's parameter; repeatable.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for its end, or let it go on in the background.")]
Parallelism = Annotated[int, typer.Option(help="How many steps run at once, at most.")]


@create_app.command("notebook")
def create_notebook(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    volumes: Annotated[
        list[str],
        typer.Option(
            "--volume",
            "-v",
            metavar="NAME=FOLDER[,mount=PATH][,size=10Gi][,ro]",
            help="A volume that begins as a copy of the folder (empty: NAME=); repeatable, the first is the workspace.",
        ),
    ],
    environment: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="NAME=VALUE", help="For all steps; repeatable.")
    ] = None,
    working_directory: Annotated[
        str | None, typer.Option("--workdir", "-w", metavar="PATH", help="Where steps work.")
    ] = None,
    output: Output = None,
) -> None:
    """Make a notebook whose volumes begin as copies of folders; each is seen at /mnt/NAME unless told otherwise."""
    wanted = [parsed_volume(text) for text in volumes]
    with _at_work(context, "the notebook that was being made is gone again", begins=True) as (opened, painter):
        made = opened.create_notebook(
            name,
            wanted,
            environment=pairs_of(environment, "--env"),
            working_directory=working_directory,
            listener=painter,
        )
    _tell(made, columns.NOTEBOOK, output, f"notebook/{made.name} created")


def checkpoint(
    context: typer.Context,
    notebook: Annotated[
        str,
        typer.Argument(metavar="NOTEBOOK", help="In a cluster: its pod.", autocompletion=completing.notebooks),
    ],
    message: Message = "",
    title: Title = "",
    author: Annotated[
        str, typer.Option(help="Who it is by; the setting `author` otherwise, in a cluster whoever asks.")
    ] = "",
    output: Output = None,
) -> None:
    """Take a checkpoint: snapshot all volumes of a notebook at one instant."""
    if (place := cluster_place(context)) is not None:
        if author:
            raise InvalidRequest("in a cluster a checkpoint is by whoever asks for it; leave --author out")
        in_cluster.checkpoint(place, notebook, title, message, output)
        return
    with _at_work(context, "no checkpoint was taken; its snapshots are gone again") as (opened, painter):
        made = opened.checkpoint(
            name_in(notebook, "notebook"), title=title, message=message, author=author, listener=painter
        )
    _tell(made, columns.VERSION, output, f"checkpoint/{made.id} taken")


def restore(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT|URL", autocompletion=completing.checkpoints)],
    name: Annotated[
        str | None, typer.Option("--as", "--name", metavar="NAME", help="The notebook's name [restored-ID].")
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND…]", help="In a cluster: what the pod runs; else it holds the volumes."),
    ] = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="In a cluster: print claims and pod for kubectl apply, make nothing.")
    ] = False,
    storage_class: Annotated[
        str, typer.Option("--storage-class", metavar="NAME", help="In a cluster: of the claims [the default class].")
    ] = "",
    output: Output = None,
) -> None:
    """Open a checkpoint as a new notebook: all its volumes cloned side by side, with its environment.

    In a cluster that is a pod with the image, resources, user and mount paths that were recorded.
    """
    if (place := cluster_place(context)) is not None:
        how = Opening(name or "", tuple(command or ()), storage_class)
        in_cluster.restore(place, checkpoint, how, manifest=manifest)
        return
    if command or manifest or storage_class:
        raise InvalidRequest("a command, --manifest and --storage-class are for clusters; say which with --context")
    with _at_work(context, "the notebook that was being restored is gone again") as (opened, painter):
        made = opened.restore(name_in(checkpoint, "checkpoint"), name=name, listener=painter)
    _tell(made, columns.NOTEBOOK, output, f"notebook/{made.name} restored from {short(made.restored_from)}")


def run(
    context: typer.Context,
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE.yaml")],
    notebook: Annotated[
        str, typer.Option("--notebook", help="Whose volumes to clone.", autocompletion=completing.notebooks)
    ],
    parameters: Parameters = None,
    parallelism: Parallelism = PARALLELISM,
    message: Message = "",
    title: Title = "",
    wait: Wait = True,
    output: Output = None,
) -> None:
    """Run a pipeline on clones of a notebook's volumes, with a checkpoint before and after every step.

    Exit status 1 when a step fails; the message says how to look at it and how to go on.
    """
    if not wait:
        words = ["--message", message, "--title", title, *_options_of(parameters, parallelism)]
        _go_on_in_background(context, ["run", str(pipeline.absolute()), "--notebook", notebook, *words])
        return
    with _at_work(context, _CANCELED) as (opened, painter):
        ended = opened.run(
            pipeline,
            notebook=name_in(notebook, "notebook"),
            parameters=pairs_of(parameters, "--param"),
            parallelism=parallelism,
            title=title,
            message=message,
            listener=painter,
        )
    _tell_run(ended, output)


def resume(
    context: typer.Context,
    run: Annotated[list[str], typer.Argument(metavar="[run] RUN", autocompletion=completing.runs)],
    notebook: Annotated[
        str | None,
        typer.Option(
            "--notebook", help="Go on with the volumes of this notebook.", autocompletion=completing.notebooks
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", help="Go on from this checkpoint of the run.", autocompletion=completing.checkpoints
        ),
    ] = None,
    from_step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="Run this step again, and all that needs it.")
    ] = None,
    pipeline: Annotated[
        Path | None, typer.Option("--pipeline", metavar="FILE", help="Instead of the run's own file.")
    ] = None,
    parameters: Parameters = None,
    parallelism: Parallelism = PARALLELISM,
    wait: Wait = True,
    output: Output = None,
) -> None:
    """Go on with a run; what had succeeded is not run again. Without options: from before the step that failed."""
    name = name_of_run(run)
    if not wait:
        given = {"--notebook": notebook, "--checkpoint": checkpoint, "--from": from_step}
        given["--pipeline"] = None if pipeline is None else str(pipeline.absolute())
        where = [text for option, value in given.items() if value is not None for text in (option, value)]
        _go_on_in_background(context, ["resume", name, *where, *_options_of(parameters, parallelism)])
        return
    with _at_work(context, _CANCELED) as (opened, painter):
        ended = opened.resume(
            name,
            notebook=None if notebook is None else name_in(notebook, "notebook"),
            checkpoint=None if checkpoint is None else name_in(checkpoint, "checkpoint"),
            from_step=from_step,
            pipeline=pipeline,
            parameters=pairs_of(parameters, "--param"),
            parallelism=parallelism,
            listener=painter,
        )
    _tell_run(ended, output)


def cancel(
    context: typer.Context,
    run: Annotated[list[str], typer.Argument(metavar="[run] RUN", autocompletion=completing.runs)],
) -> None:
    """Stop a run that goes on in another process; its steps are ended, and it can be resumed."""
    name = name_of_run(run)
    with session(context) as opened:
        was_going_on = opened.cancel(name)
    typer.echo(f"run/{name} canceled" if was_going_on else f"run/{name} was not going on")


def execute(
    context: typer.Context,
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", autocompletion=completing.notebooks)],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…")],
) -> None:
    """Run a command where a notebook's volumes are mounted; ends with the command's status."""
    with session(context) as opened:
        status = opened.execute(name_in(notebook, "notebook"), command)
    raise typer.Exit(status if status >= 0 else 128 - status)


def name_of_run(words: Sequence[str]) -> str:
    """Read RUN, run/RUN or run RUN; raise InvalidRequest."""
    *kind, name = words
    if kind not in ([], ["run"], ["runs"]):
        raise InvalidRequest(f"name one run, not {' '.join(words)!r}")
    return name_in(name, "run")


def parsed_volume(text: str) -> NewNotebookVolume:
    """Read NAME=FOLDER[,mount=PATH][,size=SIZE][,filesystem=KIND][,ro]; raise InvalidRequest."""
    name, equals, rest = text.partition("=")
    if not equals or not name:
        raise InvalidRequest(f"not a volume: {text!r}; write NAME=FOLDER, such as --volume workspace=./project")
    folder, *options = rest.split(",")
    known: dict[str, str] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in {"mount", "size", "filesystem", "ro"} or (key == "ro") == bool(value):
            raise InvalidRequest(
                f"volume {name!r}: no option {option!r}; there are mount=PATH, size=10Gi, filesystem=ext4, ro"
            )
        known[key] = value
    return volume(
        name,
        folder or None,
        mount_path=known.get("mount"),
        size=known.get("size"),
        readonly="ro" in known,
        filesystem=known.get("filesystem", DEFAULT_FILESYSTEM),
    )


def pairs_of(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """Read NAME=VALUE texts; raise InvalidRequest naming the option."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidRequest(f"{option} {text!r} is not NAME=VALUE")
        found[name] = value
    return found


def _options_of(parameters: Sequence[str] | None, parallelism: int) -> list[str]:
    return ["--parallelism", str(parallelism), *(text for each in parameters or () for text in ("--param", each))]


def _go_on_in_background(context: typer.Context, arguments: Sequence[str]) -> None:
    home = local_settings(place_of(context).home).home
    with session(context) as opened:
        begun = begun_in_background(["--home", str(home), *arguments], home, opened.run_task_of)
    if begun.task is None:
        typer.echo(begun.printed, err=True, nl=False)
        raise typer.Exit(begun.status)
    run = begun.task.subject
    typer.echo(f"run/{run} started")
    typer.echo(f"wait for it: rokctl wait run {run}; stop it: rokctl cancel run {run}", err=True)


@contextlib.contextmanager
def _at_work(context: typer.Context, undoing: str, *, begins: bool = False) -> Iterator[tuple[Session, Painter]]:
    with undone(undoing), session(context, begins=begins) as opened, Painter() as painter:
        yield opened, painter


def _tell(made: T, shape: Sequence[Column[T]], output: Format | None, line: str) -> None:
    if output is None:
        typer.echo(line)
    else:
        show_one(made, shape, output, lambda _: line.split(maxsplit=1)[0])


def _tell_run(ended: Run, output: Format | None) -> None:
    _tell(ended, columns.RUN, output, f"run/{ended.id} {ended.status}")
    if ended.status is RunStatus.SUCCEEDED:
        return
    failed = next((step for step in ended.steps if step.status == "failed"), None)
    if failed is not None and failed.last is not None:
        typer.echo(
            f"look at it:  rokctl describe step {ended.id}/{failed.name}\n"
            f"open it:     rokctl restore {short(failed.last.before)} --as fixing\n"
            f"go on:       rokctl resume {ended.id} --notebook fixing",
            err=True,
        )
    raise typer.Exit(FAILED)
