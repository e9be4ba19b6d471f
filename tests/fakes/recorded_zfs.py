"""ZFS as it was recorded: a runner and a starter that answer with what a real command printed."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rokcsi.model.errors import ToolFailed
from rokcsi.system.command import Completed

_FOLDER = Path(__file__).parents[1] / "recordings"
VERSIONS = ("2.1.11", "2.4.4")
RECORDED: dict[str, dict[str, dict[str, Any]]] = {
    version: {
        each["name"]: each
        for path in sorted((_FOLDER / f"zfs-{version}").glob("*.json"))
        for each in json.loads(path.read_text())
    }
    for version in VERSIONS
}
"""What each version of ZFS printed, by the name of what was done."""


class RecordedZfs:
    """Answers every command with the recordings of these names, one after the other; remembers what was asked."""

    def __init__(self, *names: str, version: str = VERSIONS[-1]) -> None:
        self._names = list(names)
        self._recorded = RECORDED[version]
        self.calls: list[list[str]] = []
        self.texts: list[str] = []
        self.dismissed = 0

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        self.calls.append(list(argv))
        recorded = self._recorded[self._names.pop(0)]
        if recorded["status"] not in accepted_statuses:
            raise ToolFailed(f"{argv[0]} ended with status {recorded['status']}: {recorded['stderr']}")
        return Completed(recorded["stdout"], recorded["stderr"], recorded["status"])

    def waiting(self, argv: Sequence[str]) -> WaitingRecorded:
        self.calls.append(list(argv))
        return WaitingRecorded(self)


class WaitingRecorded:
    """One process that waits."""

    def __init__(self, zfs: RecordedZfs) -> None:
        self._zfs = zfs
        self.alive = True

    def is_waiting(self) -> bool:
        return self.alive

    def told(self, text: str, *, timeout_seconds: float, accepted_statuses: Sequence[int]) -> Completed:
        assert self.alive
        self.alive = False
        self._zfs.texts.append(text)
        answer = self._zfs.run(["told"], timeout_seconds=timeout_seconds, accepted_statuses=accepted_statuses)
        self._zfs.calls.pop()
        return answer

    def dismiss(self) -> None:
        self.alive = False
        self._zfs.dismissed += 1
