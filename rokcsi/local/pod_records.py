"""How pods are written down, and where their things lie in the home folder.

records/pods/…                     the records
pods/UID/volumes/NAME/mount        a volume as the driver publishes it for the pod
pods/UID/root                      an empty folder over which the pod's root is built
pods/UID/begun, ended              that its command was started, and how it ended
pods/UID/exec-PID                  a command run by `exec_pod` in a pod that has none of its own
plugins/DRIVER/HASH/globalmount    a volume as it is staged for all pods
logs/UID.log                       what the pod's command printed
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from rokcsi.local.records import Content
from rokcsi.model.cluster import NewPod, PodVolume
from rokcsi.system.processes import ProcessIdentity


class PodState(StrEnum):
    """STARTING: its mounts are being made; RUNNING: they are there; ENDED: they are gone; DELETING: so is the rest."""

    STARTING = "Starting"
    RUNNING = "Running"
    ENDED = "Ended"
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod; `handles` are its volumes' (by the pod's word for them), `process` is its command's supervisor."""

    spec: NewPod
    uid: str
    state: PodState
    handles: Mapping[str, str] = field(default_factory=dict)
    process: ProcessIdentity | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    exit_status: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How a pod's command ended, and when."""

    status: int
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class PodPlaces:
    """The paths of one pod."""

    home: Path
    uid: str

    @property
    def folder(self) -> Path:
        """Where all of the pod's but its log lies."""
        return self.home / "pods" / self.uid

    def volume(self, name: str) -> Path:
        """Where the driver publishes a volume for the pod."""
        return self.folder / "volumes" / name / "mount"

    @property
    def root(self) -> Path:
        """The empty folder over which its root is built."""
        return self.folder / "root"

    @property
    def begun(self) -> Path:
        """The mark that its command was started."""
        return self.folder / "begun"

    @property
    def ended(self) -> Path:
        """How its command ended."""
        return self.folder / "ended"

    @property
    def log(self) -> Path:
        """What its command printed."""
        return self.home / "logs" / f"{self.uid}.log"

    def execution(self, process: ProcessIdentity) -> Path:
        """The record of a command run in the pod from outside."""
        return self.folder / f"exec-{process.pid}"

    def executions(self) -> list[Path]:
        """Give all such records."""
        return sorted(self.folder.glob("exec-*"))

    def end(self) -> End | None:
        """Give how the command ended; None where its supervisor has not written it down."""
        try:
            at = dt.datetime.fromtimestamp(self.ended.stat().st_mtime, dt.UTC)
            return End(int(json.loads(self.ended.read_text(encoding="utf-8"))["status"]), at)
        except FileNotFoundError:
            return None


def staging_folder(home: Path, handle: str) -> Path:
    """Give where a volume is staged, as kubelet lays it out."""
    return home / "plugins" / "rokcsi.dev" / hashlib.sha256(handle.encode()).hexdigest() / "globalmount"


def process_content(process: ProcessIdentity) -> Content:
    """Write a process's identity as JSON has it."""
    return asdict(process)


def pod_content(record: PodRecord) -> Content:
    """Write a pod as JSON has it."""
    times = {"started_at": record.started_at, "finished_at": record.finished_at}
    return {**asdict(record), **{key: None if at is None else at.isoformat() for key, at in times.items()}}


def pod_record(content: Content) -> PodRecord:
    """Read what `pod_content` wrote."""
    spec, process = content["spec"], content["process"]
    volumes = tuple(PodVolume(**volume) for volume in spec["volumes"])
    return PodRecord(
        **{
            **content,
            "spec": NewPod(**{**spec, "volumes": volumes, "command": tuple(spec["command"])}),
            "state": PodState(content["state"]),
            "process": None if process is None else ProcessIdentity(**process),
            "started_at": _instant(content["started_at"]),
            "finished_at": _instant(content["finished_at"]),
        }
    )


def _instant(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
