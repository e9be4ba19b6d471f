"""The mounter: how a block device becomes files, and files become visible at a path.

`NodeVolumes` tells its story with these few verbs; `mounting/` carries them out on Linux.
Every verb is safe to repeat. Paths are absolute and were resolved beneath a target root.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rokcsi.model.node import VolumeStats
from rokcsi.model.sizes import Bytes


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table: what is mounted at `target`.

    `device` is `major:minor`; `root` is which part of that file system (for a bind of a
    device node: the node's name); `options` are the mount's own.
    """

    target: Path
    device: str
    root: str
    filesystem: str
    readonly: bool
    options: tuple[str, ...] = ()


class Mounter(Protocol):
    """Raises Damaged where the kernel or a tool fails, besides what is named."""

    def mounted(self, target: Path) -> Mount | None:
        """What is mounted at this path, topmost; None when nothing is."""

    def shows(self, target: Path, device: Path) -> bool:
        """Tell whether this device, or the file system on it, is what is seen at this path; quick, whatever else is mounted."""

    def holder(self, device: Path) -> str | None:
        """Say in a few words who has a block device: a mount in any mount namespace, or a path of ours that shows its node.

        None when nobody is known to have it.
        """

    def found_filesystem(self, device: Path) -> str | None:
        """Which file system or other content is on a device (`xfs`, `ext4`, any word blkid has); None when it is blank."""

    def make_filesystem(self, device: Path, filesystem: str) -> None:
        """Make a file system on a blank device; raise NotSupported for a word not in the allow-list."""

    def mount(self, device: Path, target: Path, filesystem: str, *, readonly: bool, options: tuple[str, ...]) -> None:
        """Mount a device; `target` is made when missing."""

    def bind(self, device: Path, source: Path, target: Path, *, readonly: bool, options: tuple[str, ...] = ()) -> None:
        """Show a mounted device's folder at a second path, made when missing; raise NotStaged when `source` shows something else."""

    def bind_device(self, device: Path, target: Path, *, readonly: bool) -> None:
        """Show a block device at a path, which is made as an empty file when missing.

        `readonly` holds for the whole device, wherever it is shown, until `release_device`.
        """

    def release_device(self, device: Path) -> None:
        """Let a block device be written to again, when it is no longer shown to readers only."""

    def unmount(self, target: Path, *, remove: bool = True) -> None:
        """Unmount until nothing is mounted there, then `remove` the empty folder or file; raise StillInUse."""

    def grow(self, device: Path, target: Path, filesystem: str) -> None:
        """Grow a mounted file system to its device; raise NotSupported where it cannot while mounted."""

    def grow_unmounted(self, device: Path, filesystem: str) -> bool:
        """Grow a file system that is not mounted to its device, where its kind can; tell whether `grow` is still to be asked.

        Nothing happens where only `grow` can, where it is large enough, or where it is mounted after all.
        """

    def needs_growth(self, device: Path, filesystem: str) -> bool:
        """Tell whether the file system is smaller than its device allows."""

    def check(self, device: Path, filesystem: str) -> None:
        """Check a file system that is not mounted and repair nothing; its log is replayed first, as a mount would do.

        Raises VolumeDamaged, StillInUse.
        """

    def write_out(self, device: Path, target: Path) -> None:
        """Write out what is pending in a mounted file system, deletions included; raise NotStaged when `target` shows something else."""

    def trim(self, device: Path, target: Path, part: range) -> bool:
        """Give the free space in a part (bytes) of a mounted file system back to the store below its device.

        Tells whether the file system goes on behind that part. Raises NotStaged when `target` shows something else,
        NotSupported where the device takes nothing back.
        """

    def stats(self, path: Path) -> VolumeStats:
        """What is used at a mounted path."""

    def device_size(self, device: Path) -> Bytes:
        """The size of a block device."""
