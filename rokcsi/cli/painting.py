"""Progress for people, on standard error: bars on a terminal, one line an event anywhere else."""

from __future__ import annotations

import sys
from functools import singledispatchmethod
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from rokcsi.cli.words import counted, seconds, short, status_of_exit
from rokcsi.model.history import Task, TaskStatus
from rokcsi.model.runs import StepStatus
from rokcsi.pipeline.progress import (
    CheckpointTaken,
    Event,
    FolderCopied,
    FolderMeasured,
    RunEnded,
    RunStarted,
    StepEnded,
    StepSkipped,
    StepStarted,
    TaskChanged,
    VolumeCloned,
)

_GOOD, _BAD, _QUIET = "green", "red", "dim"


class Painter:
    """A listener that shows what it hears; bars stay while their work goes on, lines stay for good.

    Used as a context: `with Painter() as painter: …(listener=painter)`.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[message]}", style=_QUIET),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar_of: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def hear(self, event: Event) -> None:
        """Show an event."""
        self._show(event)

    @singledispatchmethod
    def _show(self, event: object) -> None:
        raise TypeError(f"an event that nobody shows: {event!r}")

    @_show.register
    def _(self, event: TaskChanged) -> None:
        self._move(event.task)

    @_show.register
    def _(self, event: FolderMeasured) -> None:
        self._bar(event.volume.name, f"copy {event.volume.name}", total=float(max(event.size, 1)))

    @_show.register
    def _(self, event: FolderCopied) -> None:
        bar = self._bar(event.volume.name, f"copy {event.volume.name}", total=None)
        self._bars.update(bar, completed=float(event.size), message=f"{event.files} files, {event.size}")

    @_show.register
    def _(self, event: CheckpointTaken) -> None:
        version = event.version
        reason = version.reason
        what = f"{reason.kind} {reason.step}" if reason.step else reason.kind
        if version.same_cut_as:
            self._line(f"checkpoint {short(version.id)} ({what}): the same as {short(version.same_cut_as)}")
            return
        window, members = seconds(version.freeze_window_seconds), len(version.members)
        together = " at one instant" if members > 1 else ""
        self._line(f"checkpoint {short(version.id)} ({what}): {counted(members, 'volume')}{together}, window {window}")

    @_show.register
    def _(self, event: VolumeCloned) -> None:
        volume = event.volume
        self._line(f"{volume.name}: {volume.volume} cloned in {seconds(volume.seconds)}, seen at {volume.mount_path}")

    @_show.register
    def _(self, event: RunStarted) -> None:
        run = event.run
        again = f", leg {run.leg}" if run.leg > 1 else ""
        self._line(f"run {run.id}: {len(run.steps)} steps{again}", "bold")

    @_show.register
    def _(self, event: StepStarted) -> None:
        self._bar(f"{event.run}/{event.step}", event.step, total=None)
        self._line(f"{event.step}: attempt {event.attempt.number} started", _QUIET)

    @_show.register
    def _(self, event: StepEnded) -> None:
        self._remove(f"{event.run}/{event.step}")
        attempt = event.attempt
        states = f"before {short(attempt.before)}, after {short(attempt.after)}"
        if attempt.status is StepStatus.SUCCEEDED:
            self._line(f"{event.step}: succeeded in {seconds(attempt.seconds)} ({states})", _GOOD)
        else:
            why = attempt.message or f"exit status {status_of_exit(attempt.exit_status)}"
            self._line(f"{event.step}: {attempt.status}, {why} ({states})", _BAD)

    @_show.register
    def _(self, event: StepSkipped) -> None:
        self._line(f"{event.step}: {'not run again' if event.reused else 'skipped'}: {event.why}", _QUIET)

    @_show.register
    def _(self, event: RunEnded) -> None:
        run = event.run
        message = f": {run.message}" if run.message else ""
        self._line(f"run {run.id} {run.status} after {seconds(run.seconds)}{message}", "bold")

    def _move(self, task: Task) -> None:
        if task.status.ended:
            self._remove(task.id)
            return
        bar = self._bar(task.id, f"{task.kind} {task.object}", total=100.0)
        self._bars.update(bar, completed=float(task.progress), message=_message(task))

    def _bar(self, key: str, description: str, *, total: float | None) -> TaskID:
        if key not in self._bar_of:
            self._bar_of[key] = self._bars.add_task(description, total=total, message="")
        return self._bar_of[key]

    def _remove(self, key: str) -> None:
        bar = self._bar_of.pop(key, None)
        if bar is not None:
            self._bars.remove_task(bar)

    def _line(self, text: str, style: str = "") -> None:
        self._bars.console.print(Text(text, style=style))


def _message(task: Task) -> str:
    return task.message if task.status is not TaskStatus.PENDING else "waiting"
