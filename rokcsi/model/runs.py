"""What is remembered of pipelines that ran: a run has steps, a step has attempts.

One attempt is one pod. It points at the two versions that hold the execution state just
before and just after it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rokcsi.model.pod_template import PodTemplate


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    DELETING = "deleting"


class StepStatus(StrEnum):
    """How a step, or one attempt of it, stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # a step that it needs did not succeed
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """One volume as an attempt saw it: `cloned_as` is `create-volume-<i>` of its leg, `snapshot` what it began as.

    Both are empty in what was recorded before they were kept. `volume` is the driver's handle,
    known of pods whose checkpoints are taken at the mount.
    """

    name: str
    claim: str
    mount_path: str
    readonly: bool = False
    cloned_as: str = ""
    snapshot: str = ""
    volume: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a step.

    `number` counts from 1 over the whole life of the run, resumes included. `mounts` says
    which clone was mounted where. `exit_status` is None until its command has ended
    (negative: the signal that ended it). `log` is the path of what it printed, `log_tail`
    the end of that, kept of failures. `before` and `after` are versions' ids. `pod_uid` is
    empty where the pod's name alone says which it was; `template` is known of pods of a cluster.
    """

    number: int
    pod: str
    status: StepStatus = StepStatus.PENDING
    exit_status: int | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    before: str | None = None
    after: str | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    mounts: tuple[MountedVolume, ...] = ()
    log: str | None = None
    log_tail: str = ""
    message: str = ""
    pod_uid: str = ""
    template: PodTemplate | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it is not over."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run, in the order of the pipeline file."""

    name: str
    needs: tuple[str, ...] = ()
    status: StepStatus = StepStatus.PENDING
    attempts: tuple[Attempt, ...] = ()
    message: str = ""

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True)
class FiledAttempt:
    """An attempt, and of which step of which pipeline's run it is."""

    pipeline: str
    run: str
    step: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ClonedVolume:
    """One volume of a run: `create-volume-<i>`, cloned from a member's snapshot; `seconds` is how long that took."""

    name: str
    volume: str
    claim: str
    mount_path: str
    snapshot: str
    readonly: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline.

    `id` is `<pipeline>-<8 hexadecimal digits>`, and the object that its versions are filed
    under, in the bucket `<pipeline>`. `origin` is the version that its present volumes were
    cloned from; `leg` counts the start and each resume, from 1. `definition` is the text of
    the pipeline file; `environment` the notebook's, given to every step. `idle_seconds` is how
    long it lay, all its resumes together, between an end and the resume after it.
    """

    id: str
    pipeline: str
    notebook: str
    created_at: dt.datetime
    status: RunStatus = RunStatus.RUNNING
    message: str = ""
    origin: str | None = None
    leg: int = 1
    definition: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    volumes: tuple[ClonedVolume, ...] = ()
    steps: tuple[Step, ...] = ()
    marshal_directory: str = ""
    author: str = ""
    finished_at: dt.datetime | None = None
    task: str | None = None
    idle_seconds: float = 0.0

    @property
    def seconds(self) -> float | None:
        """How long it was going on, all legs together, None while it is not over."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.created_at).total_seconds() - self.idle_seconds

    def step(self, name: str) -> Step | None:
        """Give one step."""
        return next((step for step in self.steps if step.name == name), None)
