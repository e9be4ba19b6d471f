"""The cluster: what the pipeline asks of the world that runs its steps.

Its words are Kubernetes'. A claim is a volume with a name (a PersistentVolumeClaim); a pod
sees claims mounted at paths and may run one command; a cut is the snapshots of several
claims at one instant. `LocalCluster` plays all of it on one machine over the driver's own
socket; another implementation speaks to Kubernetes.

Creating what exists already with the same content answers as the first time (RecordExists
where the content differs); deleting what is gone does nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rokcsi.model.filesystems import DEFAULT_FILESYSTEM
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.model.volume import Labels, no_labels


@dataclass(frozen=True, slots=True)
class NewClaim:
    """A claim wished for; `from_snapshot` is a snapshot's handle, `filesystem` `xfs` or `ext4`."""

    name: str
    size: Bytes
    filesystem: str = DEFAULT_FILESYSTEM
    from_snapshot: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that is bound; `volume` is the driver's handle; `provisioning_seconds` is how long the driver took."""

    name: str
    volume: str
    size: Bytes
    filesystem: str
    from_snapshot: str | None
    created_at: dt.datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    provisioning_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ClaimSnapshot:
    """One claim's part of a cut; `snapshot` is the driver's handle, `size` the claim's at that instant."""

    claim: str
    snapshot: str
    size: Bytes
    consistency: Consistency


@dataclass(frozen=True, slots=True)
class Cut:
    """Snapshots of several claims at one instant; writers were held up for `freeze_window_seconds`."""

    name: str
    handle: str
    created_at: dt.datetime
    snapshots: tuple[ClaimSnapshot, ...]
    freeze_window_seconds: float


@dataclass(frozen=True, slots=True)
class CutLabels:
    """What is said of a cut and kept with its snapshots: of each claim's own, then of all of them alike.

    A snapshot may have no room for all of it: those that come first are kept.
    """

    of_claims: Mapping[str, Labels] = field(default_factory=dict)
    of_all: Labels = field(default_factory=no_labels)


UNLABELLED = CutLabels()


@dataclass(frozen=True, slots=True)
class LabelledSnapshot:
    """One snapshot as the storage knows it; `snapshot` and `volume`, of which it was cut, are the driver's handles."""

    snapshot: str
    volume: str
    size: Bytes
    consistency: Consistency
    freeze_window_seconds: float
    labels: Labels


@dataclass(frozen=True, slots=True)
class LabelledCut:
    """A cut as the storage knows it, whoever else may have forgotten it."""

    handle: str
    created_at: dt.datetime
    snapshots: tuple[LabelledSnapshot, ...]


@dataclass(frozen=True, slots=True)
class PodVolume:
    """A claim as a pod sees it: `name` is the pod's word for it, `mount_path` where it is mounted."""

    name: str
    claim: str
    mount_path: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod wished for; without a `command` it only holds its volumes mounted (a notebook's, say)."""

    name: str
    volumes: tuple[PodVolume, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class PodPhase(StrEnum):
    """How far a pod has come; Kubernetes' words."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that exists.

    `paths` says where each of its volumes (by the pod's word for it) can be reached from
    outside, on this machine; `exit_status` is None until its command has ended (negative:
    the number of the signal that ended it); `log` is a file with what it printed.
    """

    name: str
    uid: str
    spec: NewPod
    phase: PodPhase
    paths: Mapping[str, Path] = field(default_factory=dict)
    exit_status: int | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    log: Path | None = None


class Cluster(Protocol):
    """See the module's story. Raises RecordNotFound for unknown names, DriverAway, and the driver's errors."""

    def create_claim(self, new: NewClaim) -> Claim:
        """Provision a volume; raise RecordExists, PoolFull, SizeOutOfRange, SnapshotNotFound."""

    def claim(self, name: str) -> Claim:
        """Give one claim."""

    def claims(self) -> Sequence[Claim]:
        """Give all claims, ordered by name."""

    def delete_claim(self, name: str) -> None:
        """Remove a claim and its volume; raise StillInUse while a pod mounts it."""

    def cut(self, name: str, claims: Sequence[str], labels: CutLabels = UNLABELLED) -> Cut:
        """Snapshot these claims at one instant, all or none; the same name gives the same cut, with its first labels."""

    def labelled_cuts(self) -> Sequence[LabelledCut]:
        """Give all cuts that there are, the oldest first, read from the storage itself."""

    def delete_cut(self, cut: str) -> None:
        """Remove a cut, by its handle, and all its snapshots."""

    def start_pod(self, new: NewPod) -> Pod:
        """Mount the pod's volumes, then start its command where it has one."""

    def wait_pod(self, name: str, timeout_seconds: float | None = None) -> Pod:
        """Wait for the command's end, then take the mounts away; give the pod as it is when the time is over."""

    def exec_pod(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command where the pod's volumes are mounted, on the caller's terminal; give its exit status."""

    def pod(self, name: str) -> Pod:
        """Give one pod."""

    def pods(self) -> Sequence[Pod]:
        """Give all pods, ordered by name."""

    def delete_pod(self, name: str) -> None:
        """End the pod's command, take its mounts away, forget it."""
