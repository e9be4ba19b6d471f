"""The mounter of a Linux host: mount(2) by ctypes, on paths opened beneath a target root.

Called by `volumes/`. Staging and publishing one more volume starts no program and does not
read the mount table, however many volumes are mounted already.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, NotStaged, StillInUse, SystemCallFailed, VolumeNotFound
from rokcsi.model.mounter import Mount
from rokcsi.model.node import VolumeStats
from rokcsi.model.sizes import Bytes
from rokcsi.mounting import growth, trimming
from rokcsi.mounting.filesystems import FilesystemTools, ext4_too_small, in_use
from rokcsi.mounting.options import point_flags, read_options
from rokcsi.system import mounts
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.block_devices import device_size, refuse_writing, refuses_writing
from rokcsi.system.command import HostRunner, Runner
from rokcsi.system.mount_roots import Place, place
from rokcsi.system.mounts import (
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    MountEntry,
    MountTable,
)

# A snapshot holds a volume's folder open while it freezes it: wait for that, not for a pod.
_BUSY_SECONDS = 0.5
_BUSY_PAUSE_SECONDS = 0.02
_MOST_STACKED = 64
_ST_RELATIME = 4096


class LinuxMounter:
    """A `rokcsi.model.mounter.Mounter`; `table` is told of every mount of a device made or taken away here."""

    def __init__(self, roots: TargetRoots, table: MountTable, runner: Runner | None = None) -> None:
        self._roots = roots
        self._table = table
        self._tools = FilesystemTools(runner or HostRunner())

    def mounted(self, target: Path) -> Mount | None:
        """What is mounted at this path, topmost; raise InvalidRequest where the path goes through a symbolic link."""
        with self._roots.opened(target) as fd:
            if fd is None:
                return None
            there = _place(fd, target)
            entry = self._table.entry(target) if there.mount_root is not False else None
        return None if entry is None else _as_mount(entry)

    def shows(self, target: Path, device: Path) -> bool:
        """Tell whether this device, or the file system on it, is what is seen at this path."""
        with self._roots.opened(target) as fd:
            return fd is not None and self._is_shown(_place(fd, target), target, device)

    def holder(self, device: Path) -> str | None:
        """Say who has a block device: a mount in any mount namespace, or a path of ours that shows its node; None for nobody."""
        if in_use(device):
            return "it is mounted, or held by a program"
        shown = self._table.shown_at(device)
        return None if shown is None else f"it is shown at {shown}"

    def found_filesystem(self, device: Path) -> str | None:
        """Which content is on a device; None when it is blank."""
        return self._tools.found(device)

    def make_filesystem(self, device: Path, filesystem: str) -> None:
        """Make a file system on a blank device; raise NotSupported, and StillInUse when it is not blank."""
        self._tools.make(device, filesystem)

    def mount(self, device: Path, target: Path, filesystem: str, *, readonly: bool, options: tuple[str, ...]) -> None:
        """Mount a device; raise InvalidRequest for an option that is not allowed or a target that cannot be one."""
        read = read_options(options, filesystem)
        flags = read.point_flags | read.whole_flags | (MS_RDONLY if readonly else 0)
        try:
            self._mount(device, target, filesystem, flags, ",".join(read.text))
        except (InvalidRequest, SystemCallFailed):
            # The kernel refuses to mount a device twice at one place, as do we to hide what a folder holds.
            if not self.shows(target, device):
                raise

    def bind(self, device: Path, source: Path, target: Path, *, readonly: bool, options: tuple[str, ...] = ()) -> None:
        """Show a mounted device's folder at a second path; of the options only those of a mount point count.

        Raises NotStaged where `source` does not show the device: an empty folder must not pass for the volume.
        """
        wanted = point_flags(options) | (MS_RDONLY if readonly else 0)
        showing = _explained(f"cannot show {source} at {target}")
        with self._staged(device, source) as shown, self._roots.folder(target) as fd, showing:
            mounts.bind(f"/proc/self/fd/{shown}", f"/proc/self/fd/{fd}")
        if wanted:
            self._restrict(target, wanted)

    def bind_device(self, device: Path, target: Path, *, readonly: bool) -> None:
        """Show a block device at a path; the whole device refuses writing from now on, or no longer."""
        with _explained(f"cannot make {device} {'read-only' if readonly else 'writable'}"):
            # A read-only mount of a device node does not stop anybody from writing to the device.
            refuse_writing(device, refuse=readonly)
        if self.shows(target, device):
            return
        with self._roots.file(target) as fd, _explained(f"cannot show {device} at {target}"):
            mounts.bind(device, f"/proc/self/fd/{fd}")

    def release_device(self, device: Path) -> None:
        """Let a block device be written to again: the kernel remembers that it was not, even for its next file."""
        with _explained(f"cannot make {device} writable"):
            if device.exists() and refuses_writing(device):
                refuse_writing(device, refuse=False)

    def unmount(self, target: Path, *, remove: bool = True) -> None:
        """Unmount until nothing is mounted there, then remove the empty folder or file; raise StillInUse."""
        with self._roots.parent(target) as parent:
            if parent is None:
                return
            path = f"/proc/self/fd/{parent}/{target.name}"
            for _ in range(_MOST_STACKED):
                if not _unmounted_one(path, target):
                    break
            self._table.remove(target)
        if remove:
            self._roots.remove(target)

    def grow(self, device: Path, target: Path, filesystem: str) -> None:
        """Grow a mounted file system to its device; raise NotSupported where it cannot while mounted."""
        with self._roots.opened(target) as fd:
            if fd is None:
                raise StillInUse(f"nothing is mounted at {target} that could be grown; stage the volume again")
            growth.grow_mounted(device, f"/proc/self/fd/{fd}", filesystem)

    def grow_unmounted(self, device: Path, filesystem: str) -> bool:
        """Grow an ext4 that is not mounted; tell whether it is still too small, or an XFS, which grows when it is mounted."""
        return filesystem == "xfs" or self._tools.grow(device, filesystem)

    def needs_growth(self, device: Path, filesystem: str) -> bool:
        """Tell whether the file system is smaller than its device allows, from its superblock."""
        with _explained(f"cannot read {device}"):
            return growth.xfs_too_small(device) if filesystem == "xfs" else ext4_too_small(device)

    def check(self, device: Path, filesystem: str) -> None:
        """Check a file system that is not mounted, repairing nothing; raise VolumeDamaged, StillInUse."""
        self._tools.check(device, filesystem)

    def write_out(self, device: Path, target: Path) -> None:
        """Write out what is pending in a mounted file system; raise NotStaged when `target` shows something else."""
        with self._staged(device, target) as fd, _explained(f"cannot write out {target}"):
            trimming.write_out(f"/proc/self/fd/{fd}")

    def trim(self, device: Path, target: Path, part: range) -> bool:
        """Give the free space in a part of a mounted file system back; tell whether there is more behind it.

        Raises NotStaged when `target` shows something else, NotSupported where the device takes nothing back.
        """
        with self._staged(device, target) as fd, _explained(f"cannot trim {target}"):
            return trimming.trim(f"/proc/self/fd/{fd}", part)

    def stats(self, path: Path) -> VolumeStats:
        """What is used at a mounted path, in bytes and inodes."""
        with self._roots.opened(path) as fd:
            if fd is None:
                raise VolumeNotFound(f"there is nothing at {path}")
            with _explained(f"cannot read the usage of {path}"):
                return _usage(os.statvfs(f"/proc/self/fd/{fd}"))

    def device_size(self, device: Path) -> Bytes:
        """The size of a block device."""
        with _explained(f"cannot read the size of {device}"):
            return device_size(device)

    @contextmanager
    def _staged(self, device: Path, path: Path) -> Iterator[int]:
        with self._roots.opened(path) as fd:
            if fd is None or not self._is_shown(_place(fd, path), path, device):
                raise NotStaged(f"{device} is no longer mounted at {path}; stage the volume again")
            yield fd

    def _is_shown(self, there: Place, target: Path, device: Path) -> bool:
        if there.mount_root is False or _device_number(device) not in {there.device, there.special}:
            return False
        return there.mount_root is True or self._table.entry(target) is not None

    def _mount(self, device: Path, target: Path, filesystem: str, flags: int, text: str) -> None:
        with self._roots.folder(target) as fd, _explained(f"cannot mount {device} ({filesystem}) at {target}"):
            mount = partial(mounts.mount, device, f"/proc/self/fd/{fd}", filesystem, flags, text)
            try:
                self._when_free(mount, device, target)
            except PermissionError:
                # A crash can have left a loop device that refuses writing, whatever is below it now.
                self.release_device(device)
                self._when_free(mount, device, target)
        number = _device_number(device)
        if number is not None:
            self._table.add(number, target)

    def _when_free(self, mount: Callable[[], None], device: Path, target: Path) -> None:
        """Mount with some patience: whoever looks whether anybody has the device, has it for a moment himself."""
        give_up = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return mount()
            except OSError as failure:
                if failure.errno != errno.EBUSY or time.monotonic() > give_up or self.shows(target, device):
                    raise
            time.sleep(_BUSY_PAUSE_SECONDS)

    def _restrict(self, target: Path, wanted: int) -> None:
        with self._roots.opened(target) as fd, _explained(f"cannot restrict the mount at {target}"):
            path = f"/proc/self/fd/{fd}"
            inherited = _point_flags_of(os.statvfs(path).f_flag)
            if wanted & ~inherited:
                # A remount replaces all flags: those inherited from the staged mount have to be given again.
                mounts.remount_bind(path, inherited | wanted)


def _place(fd: int, path: Path) -> Place:
    with _explained(f"cannot look at {path}"):
        return place(fd)


def _device_number(device: Path) -> int | None:
    try:
        return device.stat().st_rdev
    except FileNotFoundError:
        return None


def _point_flags_of(statvfs_flags: int) -> int:
    """Translate statvfs(3)'s flags to mount(2)'s: the same numbers, but for one."""
    same = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME
    return statvfs_flags & same | (MS_RELATIME if statvfs_flags & _ST_RELATIME else 0)


def _unmounted_one(path: str, target: Path) -> bool:
    """Take the topmost mount away; tell whether there was one. Raises StillInUse when it stays busy."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            mounts.unmount(path)
        except OSError as failure:
            if failure.errno in {errno.EINVAL, errno.ENOENT, errno.ENOTDIR}:
                return False
            if failure.errno != errno.EBUSY:
                raise SystemCallFailed(f"cannot unmount {target}: {failure.strerror}") from failure
            if time.monotonic() > give_up:
                raise StillInUse(f"{target} is in use; end the processes that have files open there") from failure
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return True


def _usage(found: os.statvfs_result) -> VolumeStats:
    return VolumeStats(
        total=Bytes(found.f_blocks * found.f_frsize),
        used=Bytes((found.f_blocks - found.f_bfree) * found.f_frsize),
        available=Bytes(found.f_bavail * found.f_frsize),
        inodes=found.f_files,
        inodes_used=found.f_files - found.f_ffree,
        inodes_free=found.f_ffree,
    )


def _as_mount(entry: MountEntry) -> Mount:
    return Mount(
        target=entry.point,
        device=f"{os.major(entry.device)}:{os.minor(entry.device)}",
        root=entry.root,
        filesystem=entry.filesystem,
        readonly=entry.readonly,
        options=entry.options,
    )


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what the kernel refuses into our own error."""
    try:
        yield
    except OSError as failure:
        raise SystemCallFailed(f"{what}: {failure.strerror or failure}") from failure
