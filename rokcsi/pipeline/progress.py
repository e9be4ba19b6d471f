"""What a long operation tells while it goes on; the CLI paints it, tests collect it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.cluster import PodVolume
from rokcsi.model.history import Task, Version
from rokcsi.model.runs import Attempt, ClonedVolume, Run
from rokcsi.model.sizes import Bytes


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """A task has moved on: `task.progress` goes from 0 to 100, `task.message` says what is going on."""

    task: Task


@dataclass(frozen=True, slots=True)
class FolderMeasured:
    """A folder is about to be copied into a volume."""

    volume: PodVolume
    files: int
    size: Bytes


@dataclass(frozen=True, slots=True)
class FolderCopied:
    """So much of a folder has been copied into its volume by now."""

    volume: PodVolume
    files: int
    size: Bytes


@dataclass(frozen=True, slots=True)
class CheckpointTaken:
    """A version is ready."""

    version: Version


@dataclass(frozen=True, slots=True)
class VolumeCloned:
    """A volume of the run, or of a restored notebook (`run` is None), stands."""

    run: str | None
    volume: ClonedVolume
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run has its id and its steps; nothing was cloned yet."""

    run: Run


@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt's pod has been started."""

    run: str
    step: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StepEnded:
    """An attempt is over and has its checkpoints; `attempt.status` says how."""

    run: str
    step: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step is not run: it had succeeded before (`reused`), or something it needs did not."""

    run: str
    step: str
    reused: bool
    why: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over; `run.status` says how."""

    run: Run


Event = (
    TaskChanged
    | FolderMeasured
    | FolderCopied
    | CheckpointTaken
    | VolumeCloned
    | RunStarted
    | StepStarted
    | StepEnded
    | StepSkipped
    | RunEnded
)


class Listener(Protocol):
    """Hears of events, from several threads, one at a time for each of them; it must be quick and not raise."""

    def hear(self, event: Event) -> None:
        """Take note of an event."""


class Silent:
    """A listener that does nothing."""

    def hear(self, event: Event) -> None:
        """Take no note."""


SILENT = Silent()
