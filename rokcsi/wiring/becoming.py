"""How the command line becomes a serving process: it reads the settings, then replaces itself with a lean process.

The lean process imports neither pydantic, Typer, rich nor SQLAlchemy, which keeps the
driver small; its settings come as JSON in the environment.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rokcsi.config.roles import NodeSettings, SwitchboardSettings, TimelineSettings
from rokcsi.config.settings import EFFECTIVE, ServeSettings


def become_serve_all(settings: ServeSettings) -> NoReturn:
    """Turn this process into the driver of one machine."""
    _become("serve_all", settings.to_json())


def become_serve_node(settings: NodeSettings) -> NoReturn:
    """Turn this process into the driver of one node of a cluster."""
    _become("serve_node", settings.to_json())


def become_serve_controller(settings: SwitchboardSettings) -> NoReturn:
    """Turn this process into the switchboard of a cluster."""
    _become("serve_controller", settings.to_json())


def become_serve_timeline(settings: TimelineSettings) -> NoReturn:
    """Turn this process into the timeline of a cluster."""
    _become("serve_timeline", settings.to_json())


def _become(module: str, settings: str) -> NoReturn:
    """Replace the program; the process id, and so the supervisor, stay the same."""
    environment = {
        **os.environ,
        EFFECTIVE: settings,
        # 64 threads would otherwise keep 64 heaps, mallopt(3).
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),
        # The driver never forks without exec; gRPC's support for it costs locks and warnings.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "NONE"),
    }
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", f"rokcsi.wiring.{module}"], environment)  # noqa: S606 - no shell
