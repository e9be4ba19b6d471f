"""How a command of `rokctl` comes by its session, and what it says when it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from rokcsi.model.errors import RecordNotFound
from rokcsi.model.origin import DEFAULT_NAMESPACE
from rokcsi.sdk import Session
from rokcsi.wiring.exits import INTERRUPTED
from rokcsi.wiring.local import open_local

_FIRST = ("--home", "--namespace", "-n")


@dataclass(frozen=True, slots=True)
class Place:
    """Which set-up the commands work on."""

    home: Path | None = None
    config: Path | None = None
    namespace: str = DEFAULT_NAMESPACE


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
    if place.namespace != DEFAULT_NAMESPACE:
        raise RecordNotFound(f"there is no namespace {place.namespace!r}; this machine has {DEFAULT_NAMESPACE!r} only")
    with Session.of(open_local(place.home, place.config, begins=begins)) as opened:
        yield opened


def place_of(context: typer.Context) -> Place:
    """Give which set-up a command works on."""
    return context.obj if isinstance(context.obj, Place) else Place()


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
