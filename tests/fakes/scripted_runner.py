"""A runner that starts nothing: it answers as it was told and remembers what was asked of it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from rokcsi.model.errors import ToolFailed
from rokcsi.system.command import Completed


class ScriptedRunner:
    """Answers each program by the longest scripted beginning of its command line; others succeed in silence."""

    def __init__(self, answers: dict[str, Completed] | None = None) -> None:
        self._answers = answers or {}
        self.calls: list[list[str]] = []

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        self.calls.append(list(argv))
        line = shlex.join(argv)
        fitting = [start for start in self._answers if line.startswith(start)]
        answer = self._answers[max(fitting, key=len)] if fitting else Completed("", "")
        if answer.status not in accepted_statuses:
            raise ToolFailed(f"{line} ended with status {answer.status}: {answer.stderr}")
        return answer
