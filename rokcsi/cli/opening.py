"""How a command of `rokctl` comes by its session, and what it says when it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from rokcsi.model.errors import NotSupported, RecordNotFound
from rokcsi.model.origin import DEFAULT_NAMESPACE
from rokcsi.sdk import Session
from rokcsi.wiring.exits import INTERRUPTED
from rokcsi.wiring.in_cluster import DEFAULT_TIMELINE
from rokcsi.wiring.local import open_local

_FIRST = ("--home", "--namespace", "-n", "--context", "--timeline")


@dataclass(frozen=True, slots=True)
class Place:
    """Which set-up the commands work on: this machine's, or a namespace of the cluster of a kubeconfig's context."""

    home: Path | None = None
    config: Path | None = None
    namespace: str | None = None
    context: str | None = None
    timeline: str = DEFAULT_TIMELINE


@contextmanager
def session(context: typer.Context, *, begins: bool = False) -> Iterator[Session]:
    """Open the session of a command; a session given as the context's object (by a test) is used as it is.

    Only a command that `begins` something makes a home folder: asking changes nothing.
    """
    given = context.obj
    if isinstance(given, Session):
        yield given
        return
    place = place_of(context)
    if place.context is not None:
        raise NotSupported("this command works on this machine; leave --context out")
    if place.namespace not in {None, DEFAULT_NAMESPACE}:
        raise RecordNotFound(f"there is no namespace {place.namespace!r}; this machine has {DEFAULT_NAMESPACE!r} only")
    with Session.of(open_local(place.home, place.config, begins=begins)) as opened:
        yield opened


def place_of(context: typer.Context) -> Place:
    """Give which set-up a command works on."""
    return context.obj if isinstance(context.obj, Place) else Place()


def cluster_place(context: typer.Context) -> Place | None:
    """Give which namespace of a cluster a command works on; None for this machine."""
    place = place_of(context)
    return place if place.context is not None else None


@contextmanager
def undone(what: str) -> Iterator[None]:
    """Say what an interruption has undone, and end with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {what}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def hoisted(arguments: list[str]) -> list[str]:
    """Move the options that belong before the command there, so that they may stand anywhere, as kubectl's users write them.

    What follows `--` is somebody else's command line and stays as it is.
    """
    first: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in _FIRST:
            first += [argument, *([value] if (value := next(left, None)) is not None else [])]
        elif argument == "--debug" or argument.startswith(tuple(f"{option}=" for option in _FIRST)):
            first.append(argument)
        else:
            rest.append(argument)
    return [*first, *rest]
