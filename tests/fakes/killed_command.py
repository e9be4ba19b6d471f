"""Programs killed at a system call of theirs, by strace, so that tests can leave LVM half way wherever they like."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path


class KilledCommands:
    """Runs a program under strace, whole to see its ioctls, or up to one of them."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "strace"

    def ioctls(self, argv: Sequence[str], *, of: str) -> list[int]:
        """Run a program to its end; give which of its ioctls, counted from 1, have this name."""
        self._run(argv)
        calls = [line for line in self._log.read_text(errors="replace").splitlines() if re.match(r"\d+ +ioctl\(", line)]
        return [number for number, line in enumerate(calls, 1) if f", {of}, " in line]

    def killed_at(self, argv: Sequence[str], ioctl: int) -> None:
        """Run a program until it begins this ioctl, which it does not carry out any more."""
        ended = self._run(argv, "--inject", f"ioctl:signal=KILL:when={ioctl}")
        assert ended == -9, f"{argv} was not killed, but ended with {ended}"

    def _run(self, argv: Sequence[str], *options: str) -> int:
        watched = ("strace", "--follow-forks", "--trace", "ioctl", "--output", str(self._log), *options)
        return subprocess.run((*watched, *argv), check=False, capture_output=True, timeout=120).returncode
