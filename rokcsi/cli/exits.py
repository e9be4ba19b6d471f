"""How a command ends: one table from what went wrong to an exit status, one line to standard error.

    0 done · 1 failed · 2 wrong usage or input · 3 not found · 4 exists already or differs
    5 in use or busy · 6 no room, or out of range · 7 the driver or the pool is away
    8 not possible here · 130 interrupted

A user's mistake shows no traceback; `--debug` before the command does.
"""

from __future__ import annotations

import os
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from rokcsi.model import errors

FAILED = 1
INTERRUPTED = 130
DEBUG_VARIABLE = "ROKCSI_DEBUG"
EXIT_STATUSES: dict[type[errors.RokcsiError], int] = {
    errors.InvalidRequest: 2,
    errors.BadPageToken: 2,
    errors.NotFound: 3,
    errors.Conflict: 4,
    errors.StillInUse: 5,
    errors.Busy: 5,
    errors.OutOfSpace: 6,
    errors.OutOfRange: 6,
    errors.Unavailable: 7,
    errors.NotSupported: 8,
    errors.Damaged: FAILED,
}


def exit_status(error: BaseException) -> int:
    """Give the exit status of an error, by its family; 1 for one that has none."""
    return next((EXIT_STATUSES[kind] for kind in type(error).__mro__ if kind in EXIT_STATUSES), FAILED)


class FriendlyGroup(TyperGroup):
    """The root of a command line: turns our errors into one line on standard error and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end the process with the table's status when it fails."""
        try:
            return super().invoke(ctx)
        except errors.RokcsiError as error:
            _tell(str(error) or type(error).__name__)
            raise typer.Exit(exit_status(error)) from error
        except PermissionError as error:
            _tell(f"{error}; run it as root")
            raise typer.Exit(FAILED) from error


def _tell(message: str) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    typer.echo(f"error: {' '.join(message.split())}", err=True)


def show_tracebacks(debug: bool) -> None:  # noqa: FBT001 - the callback of an option, called by Typer
    """Let errors show where they came from: the callback of `--debug`."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
