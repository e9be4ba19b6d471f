"""mkfs: how an empty file system is made, on a block device or in a sparse file of a pool.

Called by the mounter and by pools. Never on the way to a pod, unless a pool gives blank volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rokcsi.model.errors import NotSupported
from rokcsi.system.command import Runner

_SECONDS = 600.0
_XFS = (
    "mkfs.xfs",
    "-q",
    # 4096: a loop device over a reflinked file may announce such sectors, which a file
    # system made for smaller ones cannot be mounted on.
    *("-s", "size=4096"),
    *("-m", "reflink=1"),
)
_EXT4 = ("mkfs.ext4", "-q", "-m", "0")
_ON_DEVICE = {
    "xfs": _XFS,
    "ext4": (*_EXT4, "-E", "lazy_itable_init=1,lazy_journal_init=1"),
}
_IN_FILE = {
    "xfs": (*_XFS, "-f", "-K"),
    # A sparse file is all zeros: nothing is left for the kernel to zero in each clone's background.
    "ext4": (*_EXT4, "-F", "-b", "4096", "-E", "nodiscard,assume_storage_prezeroed=1"),
}


def make_on_device(runner: Runner, device: Path, filesystem: str) -> None:
    """Make a file system on a device that the caller found blank; raise NotSupported for an unknown word, ToolFailed."""
    runner.run((*_maker(_ON_DEVICE, filesystem), "--", str(device)), timeout_seconds=_SECONDS)


def make_in_file(runner: Runner, file: Path, filesystem: str, *, label: str) -> None:
    """Make a file system in a sparse file, over anything that is in it; raise NotSupported for an unknown word, ToolFailed."""
    runner.run((*_maker(_IN_FILE, filesystem), "-L", label, "--", str(file)), timeout_seconds=_SECONDS)


def _maker(makers: Mapping[str, tuple[str, ...]], filesystem: str) -> tuple[str, ...]:
    if filesystem not in makers:
        raise NotSupported(f"cannot make the file system {filesystem[:64]!r}; choose {' or '.join(makers)}")
    return makers[filesystem]
