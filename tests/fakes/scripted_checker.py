"""A checker of file systems that finds what it is told to find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rokcsi.model.errors import VolumeDamaged


class ScriptedChecker:
    """`unsound` says which devices are damaged; `checks` counts how often it was asked."""

    def __init__(self) -> None:
        self.checks = 0
        self.unsound: Callable[[Path], bool] = lambda _: False

    def check(self, device: Path, filesystem: str) -> None:
        """Raise VolumeDamaged as told."""
        assert device.exists()
        self.checks += 1
        if self.unsound(device):
            raise VolumeDamaged(f"{filesystem} on {device}: bad magic number")
