"""mount(2) and umount2(2), and a memory of what is mounted where.

No process is started: the calls go through ctypes, which lets other threads run meanwhile.
`MountTable` answers "where is this device mounted?" without reading /proc/self/mountinfo,
which grows with every pod; it reads it once at start, and again only when asked for
something it does not know *and* poll(2) says that the table has changed since (proc(5)).

Nothing here keeps a file open inside a mount: that would make its unmount fail.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_DIRSYNC = 0x80
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_RELATIME = 0x200000
MS_STRICTATIME = 0x1000000
MS_LAZYTIME = 0x2000000

MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8

_HOLD_NODES = frozenset({"devtmpfs", "tmpfs"})
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_ESCAPE = re.compile(r"\\([0-7]{3})")


def mount(source: Path | str, target: Path | str, filesystem: str = "", flags: int = 0, options: str = "") -> None:
    """Call the kernel to mount; raise OSError that names both. `options` are the file system's own, comma-separated."""
    arguments = (os.fsencode(source), os.fsencode(target), filesystem.encode() or None, flags, options.encode() or None)
    if _libc.mount(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(source), None, str(target))


def bind(source: Path | str, target: Path | str) -> None:
    """Show `source` (a folder or a file) at `target` too, with the mount flags of the source."""
    mount(source, target, flags=MS_BIND)


def remount_bind(target: Path | str, flags: int) -> None:
    """Give one mount point new flags (all of them: those not given are taken away), its file system untouched."""
    mount("none", target, flags=MS_BIND | MS_REMOUNT | flags)


def unmount(target: Path | str, flags: int = UMOUNT_NOFOLLOW) -> None:
    """Call umount2(2) on the topmost mount at `target`; raise OSError (EBUSY in use, EINVAL not mounted)."""
    if _libc.umount2(os.fsencode(target), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


@dataclass(frozen=True, slots=True)
class MountEntry:
    """One line of mountinfo, proc(5): `device` as in `st_dev`, `root` the part of the file system that is shown."""

    point: Path
    device: int
    root: str
    filesystem: str
    source: str
    options: tuple[str, ...]
    superblock_options: tuple[str, ...]

    @property
    def readonly(self) -> bool:
        """Whether writing is refused here, by the mount point or by the whole file system."""
        return "ro" in self.options or "ro" in self.superblock_options

    def names(self, node: Path) -> bool:
        """Tell whether what is shown here has the name of a device node, wherever the file system that it is from lies."""
        return self.root.rpartition("/")[2] == node.name


def unescaped(text: str) -> str:
    r"""Undo the escapes of mountinfo: space, tab, newline and backslash are written as `\040`, `\011`, `\012`, `\134`."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def parsed(mountinfo: str) -> list[MountEntry]:
    """Read mountinfo's text, oldest mount first; of several mounts at one point the last is the one that is seen."""
    return [_entry(line) for line in mountinfo.split("\n") if line]


def _entry(line: str) -> MountEntry:
    ours, _, theirs = line.partition(" - ")
    fields = ours.split(" ")
    filesystem, source, superblock = theirs.split(" ")[:3]
    major, _, minor = fields[2].partition(":")
    return MountEntry(
        point=Path(unescaped(fields[4])),
        device=os.makedev(int(major), int(minor)),
        root=unescaped(fields[3]),
        filesystem=filesystem,
        source=unescaped(source),
        options=tuple(fields[5].split(",")),
        superblock_options=tuple(superblock.split(",")),
    )


def read_mountinfo() -> list[MountEntry]:
    """Give all mounts of this process's mount namespace, oldest first."""
    return parsed(os.fsdecode(MOUNTINFO.read_bytes()))


class MountTable:
    """What is mounted where in this mount namespace, as far as it is known; safe to use from many threads.

    `reads` counts how often mountinfo was read: a hot path must not raise it.
    """

    def __init__(self) -> None:
        self.reads = 0
        self._lock = threading.Lock()
        self._changes = select.poll()
        self._watched = os.open(MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        self._changes.register(self._watched, select.POLLPRI | select.POLLERR)
        self._points: dict[int, tuple[Path, ...]] = {}
        self._entries: dict[Path, MountEntry] = {}
        self._changes.poll(0)
        self._scan()

    def close(self) -> None:
        """Stop watching the kernel's table."""
        os.close(self._watched)

    def point_of(self, device: int) -> Path | None:
        """Give a folder at which this device (a number as in `st_dev`) is mounted now; None when it is mounted nowhere."""
        found = self._verified(device)
        if found is None and self._rescanned():
            found = self._verified(device)
        return found

    def devices(self) -> frozenset[int]:
        """Give the device numbers that were mounted when the table was last read, or mounted by us since."""
        with self._lock:
            return frozenset(self._points)

    def entry(self, point: Path) -> MountEntry | None:
        """Give the topmost mount at a path without symbolic links; reads mountinfo when the table has changed."""
        self._rescanned()
        return self._entries.get(point)

    def shown_at(self, node: Path) -> Path | None:
        """Give a path at which a device node is shown (bound); reads mountinfo when the table has changed."""
        self._rescanned()
        entries = list(self._entries.values())
        shown = (entry.point for entry in entries if entry.filesystem in _HOLD_NODES and entry.names(node))
        return next(shown, None)

    def add(self, device: int, point: Path) -> None:
        """Remember that we have mounted a device."""
        with self._lock:
            self._points[device] = (point, *(old for old in self._points.get(device, ()) if old != point))

    def remove(self, point: Path) -> None:
        """Forget what we had mounted at a path."""
        with self._lock:
            for device in [device for device, points in self._points.items() if point in points]:
                left = tuple(old for old in self._points[device] if old != point)
                self._points[device] = left
                if not left:
                    del self._points[device]

    def _verified(self, device: int) -> Path | None:
        return next((point for point in self._points.get(device, ()) if _device_at(point) == device), None)

    def _rescanned(self) -> bool:
        """Read the table anew if it has changed since it was last read; tell whether it had."""
        with self._lock:
            if not self._changes.poll(0):
                return False
            # poll came before reading: a change that comes after it shows in the next poll.
            self._scan()
            return True

    def _scan(self) -> None:
        entries = read_mountinfo()
        self.reads += 1
        self._entries = {entry.point: entry for entry in entries}
        self._points = _points_by_device(entries)


def _points_by_device(entries: Iterable[MountEntry]) -> dict[int, tuple[Path, ...]]:
    points: dict[int, tuple[Path, ...]] = {}
    for entry in entries:
        points[entry.device] = (*points.get(entry.device, ()), entry.point)
    return points


def _device_at(point: Path) -> int | None:
    try:
        return os.stat(point, follow_symlinks=False).st_dev
    except OSError:
        return None
