"""Whether a disk holds anything: asked before it is given to a new pool, whose making would destroy that.

Called by those who plan a pool. What cannot be seen to be blank is refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, StillInUse
from rokcsi.system.command import Runner

_LOOKED_AT = 1 << 20
_SYSFS = Path("/sys/dev/block")


def refuse_used(disk: Path, runner: Runner) -> None:
    """Raise InvalidRequest when this is no block device, StillInUse when it is in use or holds anything."""
    try:
        found = os.stat(disk)
    except OSError as error:
        raise InvalidRequest(f"there is no disk {disk}: {error.strerror}") from error
    if not stat.S_ISBLK(found.st_mode):
        raise InvalidRequest(f"{disk} is no block device; name a whole disk or a partition")
    shown = _SYSFS / f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    if (shown / "ro").exists() and (shown / "ro").read_text().strip() != "0":
        raise InvalidRequest(f"{disk} is read-only")
    parts = sorted(part.parent.name for part in shown.glob("*/partition"))
    if parts:
        raise StillInUse(f"{disk} has partitions ({', '.join(parts)}); name one of them, or another disk")
    holders = sorted(holder.name for holder in (shown / "holders").glob("*"))
    if holders:
        raise StillInUse(f"{disk} is a part of {', '.join(holders)}; name another disk")
    _refuse_contents(disk, runner)


def _refuse_contents(disk: Path, runner: Runner) -> None:
    signatures = runner.run(("wipefs", "--no-act", "--noheadings", "--output", "TYPE", "--", str(disk))).stdout.split()
    if signatures:
        raise StillInUse(
            f"{disk} holds {', '.join(dict.fromkeys(signatures))}; if nothing on it is needed any more: wipefs --all {disk}"
        )
    try:
        fd = os.open(disk, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise StillInUse(f"{disk} cannot be had alone: {error.strerror}; something has it mounted or open") from error
    try:
        if _holds_bytes(fd):
            raise StillInUse(
                f"{disk} holds something that nobody here knows; if it is not needed any more: "
                f"blkdiscard --zeroout --length {_LOOKED_AT} {disk}, and the same for its end"
            )
    finally:
        os.close(fd)


def _holds_bytes(fd: int) -> bool:
    size = os.lseek(fd, 0, os.SEEK_END)
    return any(any(os.pread(fd, _LOOKED_AT, max(0, start))) for start in (0, size - _LOOKED_AT))
