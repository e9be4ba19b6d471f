"""How a serving process begins: settings as JSON in the environment, logs, its parts, one line when it cannot serve.

`becoming` starts such a process as `python -m rokcsi.wiring.serve_…`. Neither pydantic,
Typer, rich nor SQLAlchemy may come in here (a test looks).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol, TypeVar

from rokcsi.config.settings import EFFECTIVE
from rokcsi.model.errors import RokcsiError
from rokcsi.observe.logs import set_up_logs
from rokcsi.wiring.exits import FAILED, exit_status

_STACK_BYTES = 1 << 20


class LogSettings(Protocol):
    """What every role's settings say of its logs."""

    @property
    def log_level(self) -> str:
        """Give debug, info, warning or error."""

    @property
    def log_format(self) -> str:
        """Give text or json."""


S = TypeVar("S", bound=LogSettings)


def run(role: str, read: Callable[[str], S], serve: Callable[[S, ExitStack], None]) -> int:
    """Serve until a signal comes; give the exit status. What goes wrong is one line on standard error."""
    threading.stack_size(_STACK_BYTES)
    try:
        settings = read(os.environ[EFFECTIVE])
    except (KeyError, TypeError, ValueError):
        print(f"error: this is started by `rokcsi serve {role}`, not by hand", file=sys.stderr)  # noqa: T201 - no logs yet
        return FAILED
    set_up_logs(settings.log_level, settings.log_format)
    try:
        with ExitStack() as parts:
            serve(settings, parts)
    except RokcsiError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - for whoever started it
        return exit_status(error)
    return 0
