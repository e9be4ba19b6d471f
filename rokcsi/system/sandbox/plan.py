"""What the trampoline is told: which volumes, what else is seen or hidden, which command.

Written by `launch`, read by `trampoline`; it travels as JSON through a memory file, so that
no environment variable of a step shows in a process list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class VolumeBind:
    """A mounted folder of the host, `source`, shown in the pod at `target`; both absolute."""

    source: str
    target: str
    readonly: bool


@dataclass(frozen=True)
class SandboxPlan:
    """One command and what it sees.

    `binds` come in the order in which they are made, outer paths first. `hidden` are folders
    of the host that look empty inside. `scratch` is an empty folder of the host over which
    the pod's root is built (in its own mount namespace: the host sees nothing of it).
    `quiet_lock` is a file that is locked, shared, while the new mount namespace still holds
    copies of the host's mounts. `inside` is the pid of a running sandbox whose namespaces
    are joined instead of new ones being made. `terminal` tells that the caller's terminal is
    used. `begun_mark` is a file made before anything is run, `exit_record` one that says how it
    ended: whoever finds a pod's record after a crash knows from them what has happened.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    scratch: str
    quiet_lock: str
    binds: tuple[VolumeBind, ...] = ()
    hidden: tuple[str, ...] = ()
    inside: int | None = None
    terminal: bool = False
    begun_mark: str | None = None
    exit_record: str | None = None

    def to_json(self) -> str:
        """Write the plan."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SandboxPlan:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        binds = tuple(VolumeBind(**bind) for bind in values.pop("binds"))
        return cls(
            **{
                **values,
                "command": tuple(values["command"]),
                "hidden": tuple(values["hidden"]),
                "binds": binds,
            }
        )
