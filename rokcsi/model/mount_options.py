"""Which mount options a storage class may ask for: an allow-list, checked when a volume is made and when it is mounted.

Options reach us from storage classes and from volumes that an administrator wrote by hand,
so none is passed on unread. Those that could weaken the node (`suid`, `dev`), show another
device (`logdev=`, `journal_path=`) or damage a volume (`norecovery`, `nobarrier`) are not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rokcsi.model.errors import InvalidRequest

FLAGS = frozenset(
    {
        "defaults",
        "ro",
        "rw",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
        "lazytime",
        "nolazytime",
        "sync",
        "async",
        "dirsync",
        "discard",
        "nodiscard",
        "noexec",
        "exec",
        "nosuid",
        "nodev",
        "nouuid",
        "largeio",
        "swalloc",
        "inode32",
        "inode64",
    }
)
_VALUES = {
    "allocsize": re.compile(r"[0-9]{1,7}[kKmM]?"),
    "commit": re.compile(r"[0-9]{1,3}"),
    "data": re.compile(r"ordered|journal"),
    "errors": re.compile(r"remount-ro"),
    "logbsize": re.compile(r"[0-9]{1,6}k?"),
    "logbufs": re.compile(r"[0-9]"),
    "stripe": re.compile(r"[0-9]{1,6}"),
}


def check_mount_options(options: Iterable[str]) -> None:
    """Raise InvalidRequest for the first option that is not allowed."""
    for option in options:
        if not _allowed(option):
            allowed = ", ".join(sorted(FLAGS | {f"{name}=…" for name in _VALUES}))
            raise InvalidRequest(f"the mount option {option[:128]!r} is not allowed here; these are: {allowed}")


def _allowed(option: str) -> bool:
    name, equals, value = option.partition("=")
    if not equals:
        return name in FLAGS
    return name in _VALUES and _VALUES[name].fullmatch(value) is not None
