"""The programs of a file system: finding, making, checking, and growing it while nobody has it mounted.

None of them runs on the way to a mount, unless a volume has to be formatted or an ext4 has
to be grown. Damage is never repaired beyond what `e2fsck -p` does before ext4 may grow.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from rokcsi.model.errors import NotSupported, StillInUse, SystemCallFailed, ToolFailed, VolumeDamaged
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.mounting.ext4 import read_ext4
from rokcsi.system.command import Runner
from rokcsi.system.log_replay import replay_log
from rokcsi.system.make_filesystem import make_on_device
from rokcsi.system.superblock import filesystem_size

_LOOKED_AT = 1 << 16
_BLKID_FOUND, _BLKID_NOTHING, _BLKID_AMBIVALENT = 0, 2, 8
_CHECK_SECONDS = 3600.0
# A check that could not be made says nothing of the file system: a damaged snapshot is thrown away.
_XFS_REPAIR_DAMAGE = frozenset({1, 2})  # xfs_repair(8); a dirty log is looked at again
_E2FSCK_DAMAGE = frozenset(range(1, 16))  # e2fsck(8): a sum of conditions; 8 also for a superblock it will not have
_NO_SIGN_OF_DAMAGE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOMEM, errno.EBUSY, errno.ENODEV, errno.ENXIO, errno.ENOENT}
    | {errno.ENOSYS, errno.EMFILE, errno.ENFILE, errno.EINTR}
)
_DIRTY_XFS_LOG = "valuable metadata changes in a log"


class FilesystemTools:
    """What is done to file systems that are not mounted, with the programs of this host."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def found(self, device: Path) -> str | None:
        """Give a word for what is on a device, None when it is blank (unknown bytes at its start are `data`)."""
        known = filesystem_size(device)
        if known is not None:
            return known.kind
        answer = self._runner.run(
            ("blkid", "-p", "-o", "export", "--", str(device)),
            accepted_statuses=(_BLKID_FOUND, _BLKID_NOTHING, _BLKID_AMBIVALENT),
        )
        if answer.status == _BLKID_AMBIVALENT:
            return "ambivalent"
        named = dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)
        return named.get("TYPE") or named.get("PTTYPE") or _unknown_bytes(device)

    def make(self, device: Path, filesystem: str) -> None:
        """Make a file system; raise NotSupported for an unknown word, StillInUse where anything is on the device."""
        if filesystem not in FILESYSTEMS:
            raise NotSupported(
                f"cannot make the file system {filesystem[:64]!r}; choose one of {', '.join(FILESYSTEMS)}"
            )
        found = self.found(device)
        if found is not None:
            raise StillInUse(f"{device} holds {found}; no file system is ever made over something")
        make_on_device(self._runner, device, filesystem)

    def grow(self, device: Path, filesystem: str) -> bool:
        """Grow an ext4 that is too small; tell whether it still is, being mounted.

        Raises VolumeDamaged where e2fsck will not have it.
        """
        if filesystem != "ext4" or not ext4_too_small(device):
            return False
        if in_use(device):
            return True
        try:
            self._runner.run(("e2fsck", "-fp", str(device)), timeout_seconds=_CHECK_SECONDS, accepted_statuses=(0, 1))
        except ToolFailed as failure:
            raise VolumeDamaged(f"the file system cannot be grown before it is repaired: {failure}") from failure
        self._runner.run(("resize2fs", str(device)), timeout_seconds=_CHECK_SECONDS)
        return False

    def check(self, device: Path, filesystem: str) -> None:
        """Check a file system, repairing nothing; raise VolumeDamaged, StillInUse, NotSupported."""
        checks: dict[str, Callable[[Path], None]] = {"xfs": self._check_xfs, "ext4": self._check_ext4}
        if filesystem not in checks:
            raise NotSupported(f"cannot check the file system {filesystem[:64]!r}; these can be: {', '.join(checks)}")
        if in_use(device):
            raise StillInUse(f"{device} is mounted; a file system can be checked only when it is not")
        checks[filesystem](device)

    def _check_xfs(self, device: Path) -> None:
        # A snapshot of a frozen XFS has a log on purpose. xfs_repair -n looks past it, so that
        # what it calls damage may be only what the log would have put right.
        try:
            self._run_check(("xfs_repair", "-n", str(device)), _XFS_REPAIR_DAMAGE)
        except VolumeDamaged as damage:
            if _DIRTY_XFS_LOG not in str(damage):
                raise
            _replay(device, "xfs", "nouuid")
            self._run_check(("xfs_repair", "-n", str(device)), _XFS_REPAIR_DAMAGE)

    def _check_ext4(self, device: Path) -> None:
        with device.open("rb", buffering=0) as opened:
            superblock = read_ext4(opened.fileno())
        if superblock is not None and superblock.dirty:
            _replay(device, "ext4")
        self._run_check(("e2fsck", "-fn", str(device)), _E2FSCK_DAMAGE)

    def _run_check(self, argv: tuple[str, ...], damage: frozenset[int]) -> None:
        ended = self._runner.run(argv, timeout_seconds=_CHECK_SECONDS, accepted_statuses={0, *damage})
        if ended.status in damage:
            said = (ended.stderr or ended.stdout).strip()
            raise VolumeDamaged(f"the file system is damaged: {argv[0]} ended with status {ended.status}: {said}")


def ext4_too_small(device: Path) -> bool:
    """Tell whether an ext4 could reach further on its device; False for anything that is no ext4."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        superblock = read_ext4(fd)
        return superblock is not None and superblock.blocks_possible(os.lseek(fd, 0, os.SEEK_END)) > superblock.blocks
    finally:
        os.close(fd)


def in_use(device: Path) -> bool:
    """Tell whether somebody has a block device for himself: a mount in any mount namespace, say."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as failure:
        if failure.errno == errno.EBUSY:
            return True
        raise SystemCallFailed(f"cannot open {device}: {failure.strerror}") from failure
    return False


def _unknown_bytes(device: Path) -> str | None:
    with device.open("rb", buffering=0) as opened:
        return "data" if any(opened.read(_LOOKED_AT)) else None


def _replay(device: Path, filesystem: str, *flags: str) -> None:
    try:
        replay_log(device, filesystem, flags)
    except OSError as failure:
        why = f"the log on {device} cannot be replayed: {failure.strerror}"
        if failure.errno in _NO_SIGN_OF_DAMAGE:
            raise SystemCallFailed(why) from failure
        raise VolumeDamaged(why) from failure
