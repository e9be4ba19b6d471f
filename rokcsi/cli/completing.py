"""What the shell completes: kinds, and the names of things; a set-up that cannot be opened completes to nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import typer

from rokcsi.cli.nouns import NOUNS, Scope, noun
from rokcsi.cli.opening import Place, session
from rokcsi.model.errors import RokcsiError
from rokcsi.sdk import Session


def kinds(incomplete: str) -> list[str]:
    """Complete a kind."""
    return [name for each in NOUNS for name in each.names if name.startswith(incomplete)]


def names_of_kind(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a thing of the kind that was typed before it."""
    kind = context.params.get("kind")
    if not isinstance(kind, str):
        return []
    try:
        chosen = noun(kind)
    except RokcsiError:
        return []
    return _matching(
        context, incomplete, lambda opened: [chosen.name_of(thing) for thing in chosen.listed(opened, Scope())]
    )


def notebooks(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a notebook's name."""
    return _matching(context, incomplete, lambda opened: [each.name for each in opened.notebooks()])


def checkpoints(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a checkpoint's id."""
    return _matching(context, incomplete, lambda opened: [each.id for each in opened.checkpoints()])


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a run's id."""
    return _matching(context, incomplete, lambda opened: [each.id for each in opened.runs()])


def steps(context: typer.Context, incomplete: str) -> list[str]:
    """Complete RUN/STEP."""
    return _matching(context, incomplete, lambda opened: [each.name for each in opened.steps()])


def _matching(context: typer.Context, incomplete: str, names: Callable[[Session], Sequence[str]]) -> list[str]:
    root = cast("typer.Context", context.find_root())
    # While completing, the root's callback, which notes --home, is not called.
    root.obj = root.obj or Place(root.params.get("home"))
    try:
        with session(root) as opened:
            return [name for name in names(opened) if name.startswith(incomplete)]
    except (RokcsiError, OSError):
        return []
