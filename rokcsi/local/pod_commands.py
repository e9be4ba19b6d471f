"""The processes of pods: started in a sandbox, found again, ended.

A pod's own command runs in the background. A pod without one has no process: what is run
in it with `exec_pod` gets a sandbox of its own around the same volumes.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rokcsi.local.pod_records import PodPlaces, PodRecord, process_content
from rokcsi.model.cluster import PodVolume
from rokcsi.model.errors import StillInUse
from rokcsi.system.processes import ProcessIdentity, end_process, is_alive, only_child
from rokcsi.system.sandbox.launch import Sandbox
from rokcsi.system.sandbox.plan import SandboxPlan, VolumeBind

Remember = Callable[[ProcessIdentity], None]
_DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_LIMBO_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PodCommands:
    """Runs commands with the volumes below `home`; `hidden` folders look empty to them."""

    home: Path
    sandbox: Sandbox
    quiet_lock: Path
    hidden: tuple[Path, ...]

    def start(self, record: PodRecord, remember: Remember) -> ProcessIdentity:
        """Start a pod's command; raise SystemCallFailed where no sandbox can be made."""
        places = self._prepared(record)
        places.log.touch(mode=0o600)
        return self.sandbox.start(self._plan(record), places.log, remember)

    def was_begun(self, record: PodRecord) -> bool:
        """Tell whether a pod's command was started by a program that died before it could say so."""
        mark = PodPlaces(self.home, record.uid).begun
        until = time.monotonic() + _LIMBO_SECONDS
        while record.process is not None and is_alive(record.process) and not mark.exists():
            if time.monotonic() > until:
                raise StillInUse(
                    f"the process {record.process.pid} of the pod {record.spec.name!r} hangs; end it and try again"
                )
            time.sleep(0.01)
        return mark.exists()

    def run(self, record: PodRecord, command: Sequence[str], environment: Mapping[str, str], remember: Remember) -> int:
        """Run another command in a pod, where the caller's input and output are; give its status."""
        terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
        places = self._prepared(record)
        note: list[Path] = []

        def note_and_remember(process: ProcessIdentity) -> None:
            note.append(places.execution(process))
            note[0].write_text(json.dumps(process_content(process)), encoding="utf-8")
            remember(process)

        try:
            return self.sandbox.run(self._plan(record, command, {**terminal, **environment}), note_and_remember)
        finally:
            for path in note:
                path.unlink(missing_ok=True)

    def end(self, record: PodRecord, grace_seconds: float) -> None:
        """End all processes of a pod: SIGTERM, and after the grace SIGKILL to all of its pid namespace; raise StillInUse."""
        processes = [*([record.process] if record.process else ()), *executions(PodPlaces(self.home, record.uid))]
        _end(processes, grace_seconds)
        for process in processes:
            self.sandbox.reap(process)

    def _prepared(self, record: PodRecord) -> PodPlaces:
        places = PodPlaces(self.home, record.uid)
        places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.quiet_lock.touch(mode=0o600)
        return places

    def _plan(
        self, record: PodRecord, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> SandboxPlan:
        """Write the plan of the pod's own command, or of another one run in it."""
        places, spec = PodPlaces(self.home, record.uid), record.spec
        own = not command
        return SandboxPlan(
            command=tuple(command or spec.command),
            environment={**_DEFAULTS, **spec.environment, **(environment or {})},
            working_directory=spec.working_directory or "/",
            scratch=str(places.root),
            quiet_lock=str(self.quiet_lock),
            binds=_binds(spec.volumes, places),
            hidden=tuple(str(folder) for folder in self.hidden),
            inside=None if own or record.process is None else _init_of(record),
            begun_mark=str(places.begun) if own else None,
            exit_record=str(places.ended) if own else None,
        )


def executions(places: PodPlaces) -> list[ProcessIdentity]:
    """Give the processes that `run` has noted for a pod."""
    found = []
    for path in places.executions():
        with suppress(FileNotFoundError, json.JSONDecodeError):  # ended, or never begun since its note was cut short
            found.append(ProcessIdentity(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def end_strays(places: PodPlaces) -> None:
    """End what `run` has started in a pod that has no record any more; raise StillInUse."""
    _end(executions(places), 0.0)


def _end(processes: Sequence[ProcessIdentity], grace_seconds: float) -> None:
    for process in processes:
        # SIGUSR1 has the supervisor kill the pod at once, and still write down how it ended.
        if not end_process(process, ask=signal.SIGTERM, grace_seconds=grace_seconds, force=signal.SIGUSR1) and not (
            end_process(process, ask=signal.SIGKILL, grace_seconds=0.0, force=signal.SIGKILL)
        ):
            raise StillInUse(f"the process {process.pid} of the pod does not end; try again later")


def _binds(volumes: Sequence[PodVolume], places: PodPlaces) -> tuple[VolumeBind, ...]:
    """Outer mount paths come first, so that none covers another."""
    inwards = sorted(volumes, key=lambda volume: volume.mount_path.split("/"))
    return tuple(VolumeBind(str(places.volume(v.name)), v.mount_path, v.readonly) for v in inwards)


def _init_of(record: PodRecord) -> int:
    init = only_child(record.process) if record.process is not None else None
    if init is None:
        raise StillInUse(f"the pod {record.spec.name!r} has ended; nothing can be run in it any more")
    return init
