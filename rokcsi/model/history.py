"""What is remembered: checkpoints with their reasons, the tasks that took them, and the notebooks they are of.

Rok's words are kept. A version is one checkpoint: the snapshots of all volumes of one
notebook or of one run, cut at one instant. It is filed in a bucket (`notebooks`, or a
pipeline's name) under an object (the notebook, or the run). A task is a long operation,
with progress 0 to 100. Runs, steps and attempts are in `rokcsi.model.runs`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rokcsi.model.cluster import PodVolume
from rokcsi.model.pod_template import PodTemplate
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency

NOTEBOOKS_BUCKET = "notebooks"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects are filed: `objects` says how many there are."""

    name: str
    created_at: dt.datetime
    objects: int = 0


@dataclass(frozen=True, slots=True)
class FileObject:
    """What versions are filed under; `versions` counts them, `latest` is the id of the newest."""

    bucket: str
    name: str
    created_at: dt.datetime
    versions: int = 0
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What the workspace's git repository had checked out; `modified` is None where that is not known."""

    id: str
    title: str = ""
    message: str = ""
    author: str = ""
    modified: bool | None = None


class ReasonKind(StrEnum):
    """Why a checkpoint is taken."""

    NOTEBOOK = "notebook"  # the start of a run, from a notebook
    STEP_BEFORE = "step-before"
    STEP_AFTER = "step-after"
    MANUAL = "manual"  # somebody asked for it


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a checkpoint was taken, and how the process that used the volumes was set up.

    `run`, `step`, `attempt` name a run's id, its step and which try of it; `exit_status` is
    known after a step only. `environment` holds what was declared, never the host's own;
    `template` what else a pod like it is made of, known of pods of a cluster.
    """

    kind: ReasonKind
    run: str | None = None
    step: str | None = None
    attempt: int | None = None
    exit_status: int | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    commit: Commit | None = None
    template: PodTemplate | None = None


class MemberRole(StrEnum):
    """What a volume is for; member 0 of a version is the workspace."""

    WORKSPACE = "workspace"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class Member:
    """One volume's part of a version.

    `object` is `<object>_<volume>`; `volume` is the pod's word for it; `claim` the claim that
    was cut; `snapshot` the driver's handle, of which clones are made; `size` in bytes.
    """

    object: str
    volume: str
    claim: str
    snapshot: str
    size: Bytes
    filesystem: str
    mount_path: str
    role: MemberRole
    readonly: bool = False
    consistency: Consistency = Consistency.FROZEN


class VersionState(StrEnum):
    """How far a version has come; only ready ones can be restored."""

    TAKING = "taking"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Version:
    """One checkpoint.

    `id` is a UUID. `cut_name` is what the cluster was asked for, `cut` the handle it gave
    (None until then). `same_cut_as` names the version whose cut this one shares, because
    nothing can have changed in between. `parent` is the version taken before it of the same
    volumes, or the one they were cloned from. `completed_steps` of the run had succeeded at
    that instant; `concurrent_steps` were running and may have been writing. `late` tells
    that others may have written between the instant that it is named after and its cut.
    """

    id: str
    bucket: str
    object: str
    created_at: dt.datetime
    reason: Reason
    title: str = ""
    message: str = ""
    author: str = ""
    members: tuple[Member, ...] = ()
    state: VersionState = VersionState.READY
    cut_name: str = ""
    cut: str | None = None
    claims: tuple[str, ...] = ()
    same_cut_as: str | None = None
    parent: str | None = None
    task: str | None = None
    freeze_window_seconds: float = 0.0
    consistency: Consistency = Consistency.FROZEN
    completed_steps: tuple[str, ...] = ()
    concurrent_steps: tuple[str, ...] = ()
    pinned: bool = False
    late: bool = False

    @property
    def size(self) -> Bytes:
        """The sizes of its volumes, added up."""
        return Bytes(sum(member.size for member in self.members))

    @property
    def workspace(self) -> Member:
        """Member 0."""
        return self.members[0]

    def member(self, volume: str) -> Member | None:
        """Give the member of this volume, by the pod's word for it."""
        return next((member for member in self.members if member.volume == volume), None)


class TaskKind(StrEnum):
    """What a task does."""

    CHECKPOINT = "checkpoint"
    CREATE_NOTEBOOK = "create-notebook"
    RESTORE = "restore"
    RUN = "run"


class TaskStatus(StrEnum):
    """Rok's words; the last three are the end."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will come."""
        return self in {TaskStatus.SUCCESS, TaskStatus.ERROR, TaskStatus.CANCELED}


@dataclass(frozen=True, slots=True)
class Task:
    """A long operation.

    `subject` is what it makes: a version's id, a notebook's name, a run's id. `progress` goes
    from 0 to 100; `message` says what is going on, or what went wrong; `owner` is the process
    that is at it, so that a later one can tell whether it died.
    """

    id: str
    kind: TaskKind
    bucket: str
    object: str
    subject: str
    created_at: dt.datetime
    updated_at: dt.datetime
    status: TaskStatus = TaskStatus.PENDING
    progress: int = 0
    message: str = ""
    owner: str = ""


class NotebookState(StrEnum):
    """How far a notebook has come."""

    CREATING = "creating"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook server's volumes, held mounted by its pod; volume 0 is the workspace.

    `restored_from` is the version that its volumes began as, None when they were filled from
    folders; `image` is the word for what runs in it (`python3.11`, a container image).
    """

    name: str
    volumes: tuple[PodVolume, ...]
    created_at: dt.datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    image: str = ""
    restored_from: str | None = None
    state: NotebookState = NotebookState.READY
    task: str | None = None

    @property
    def workspace(self) -> PodVolume:
        """Volume 0."""
        return self.volumes[0]
