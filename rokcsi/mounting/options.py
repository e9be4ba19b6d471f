"""Mount options as mount(2) takes them: flags of the mount point, and text for the file system.

Which options may be asked for at all is in `rokcsi.model.mount_options`; here is what each
of them means, and on which file system. Volumes are mounted `nosuid,nodev` always: no pod
needs a device node or a set-user-id program out of a volume.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.mount_options import check_mount_options
from rokcsi.system.mounts import (
    MS_DIRSYNC,
    MS_LAZYTIME,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    MS_STRICTATIME,
    MS_SYNCHRONOUS,
)

_POINT_FLAGS = {
    "defaults": 0,
    "rw": 0,
    "ro": MS_RDONLY,
    "noatime": MS_NOATIME,
    "relatime": MS_RELATIME,
    "strictatime": MS_STRICTATIME,
    "nodiratime": MS_NODIRATIME,
    "noexec": MS_NOEXEC,
    "exec": 0,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
}
_WHOLE_FLAGS = {
    "sync": MS_SYNCHRONOUS,
    "async": 0,
    "dirsync": MS_DIRSYNC,
    "lazytime": MS_LAZYTIME,
    "nolazytime": 0,
}
_TEXT = {
    "xfs": frozenset({"nouuid", "inode32", "inode64", "largeio", "swalloc", "discard", "nodiscard"}),
    "ext4": frozenset({"discard", "nodiscard"}),
}
_VALUED = {
    "xfs": frozenset({"allocsize", "logbsize", "logbufs"}),
    "ext4": frozenset({"commit", "data", "errors", "stripe"}),
}
# A clone carries its origin's UUID, and XFS refuses to mount the same UUID twice without this.
_ALWAYS = {"xfs": ("nouuid",), "ext4": ()}


@dataclass(frozen=True, slots=True)
class MountOptions:
    """Options read: `point_flags` hold for one mount point, `whole_flags` and `text` for the whole file system."""

    point_flags: int = MS_NOSUID | MS_NODEV
    whole_flags: int = 0
    text: tuple[str, ...] = ()

    @property
    def readonly(self) -> bool:
        """Whether the mount point is to refuse writing."""
        return bool(self.point_flags & MS_RDONLY)


def read_options(options: Iterable[str], filesystem: str) -> MountOptions:
    """Read mount options, each element one option or several with commas between.

    Raises InvalidRequest for one that is not allowed, or that this file system does not have.
    """
    return _read(tuple(options), filesystem)


@lru_cache(maxsize=256)
def _read(options: tuple[str, ...], filesystem: str) -> MountOptions:
    _refuse_unknown(filesystem)
    point, whole, text = MountOptions().point_flags, 0, dict.fromkeys(_ALWAYS[filesystem])
    for option in _allowed(options):
        if option in _POINT_FLAGS:
            point |= _POINT_FLAGS[option]
        elif option in _WHOLE_FLAGS:
            whole |= _WHOLE_FLAGS[option]
        else:
            text[_of_filesystem(option, filesystem)] = None
    return MountOptions(point, whole, tuple(text))


def point_flags(options: Iterable[str]) -> int:
    """Give the flags of a mount point among mount options, and leave the others aside; raise InvalidRequest."""
    return reduce(or_, (_POINT_FLAGS.get(option, 0) for option in _allowed(options)), 0)


def _allowed(options: Iterable[str]) -> list[str]:
    single = [option for element in options for option in element.split(",") if option]
    check_mount_options(single)
    return single


def _of_filesystem(option: str, filesystem: str) -> str:
    name, equals, _ = option.partition("=")
    if name in (_VALUED if equals else _TEXT)[filesystem]:
        return option
    theirs = ", ".join(sorted(_TEXT[filesystem]) + [f"{name}=…" for name in sorted(_VALUED[filesystem])])
    raise InvalidRequest(
        f"{filesystem} has no mount option {option!r}; besides those of every mount it takes: {theirs}"
    )


def _refuse_unknown(filesystem: str) -> None:
    if filesystem not in FILESYSTEMS:
        raise InvalidRequest(
            f"the file system {filesystem[:64]!r} is not supported; choose one of {', '.join(FILESYSTEMS)}"
        )
