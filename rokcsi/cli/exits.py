"""A user's mistake ends a command with one line on standard error and a status, never with a traceback.

The statuses stand in `wiring/exits.py`; `--debug` before the command shows the traceback too.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from rokcsi.model.errors import RokcsiError
from rokcsi.wiring.exits import FAILED, INTERRUPTED, exit_status

DEBUG_VARIABLE = "ROKCSI_DEBUG"


class FriendlyGroup(TyperGroup):
    """The root of a command line: turns our errors into one line on standard error and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; end the process with the table's status when it fails."""
        try:
            return super().invoke(ctx)
        except RokcsiError as error:
            _tell(str(error) or type(error).__name__)
            raise typer.Exit(exit_status(error)) from error
        except PermissionError as error:
            _tell(f"{error}; run it as root")
            raise typer.Exit(FAILED) from error
        except BrokenPipeError:
            raise  # whoever read our output has seen enough; Typer ends quietly
        except OSError as error:
            _tell(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            _forget_output()
            raise typer.Exit(FAILED) from error
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None


def _tell(message: str) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    typer.echo(f"error: {message}", err=True)


def _forget_output() -> None:
    """Let what could not be written go, where standard output is what failed: Python would try once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - not a path but a descriptor is wanted
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def show_tracebacks(debug: bool) -> None:
    """Let errors show where they came from: the callback of `--debug`."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
