"""What this machine must have for the driver, each with what to do where it is missing; changes nothing.

Asked by `rokcsi doctor` in full, and by the driver before it serves (only what it cannot do without).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.ioctls import clone_file

_PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Need:
    """One thing the driver needs: whether it is `met`, what was seen, and what to do about it.

    Without an `essential` one the driver does not serve.
    """

    what: str
    met: bool
    seen: str
    remedy: str = ""
    essential: bool = True


_TOOLS = (
    ("mkfs.xfs", "xfsprogs", True, "makes XFS, the default file system"),
    ("xfs_repair", "xfsprogs", False, "checks XFS where a class asks for it"),
    ("mkfs.ext4", "e2fsprogs", False, "makes ext4"),
    ("e2fsck", "e2fsprogs", False, "checks ext4"),
    ("resize2fs", "e2fsprogs", False, "grows ext4"),
)


def needs(pool: PoolSpecification) -> Sequence[Need]:
    """Look at everything the driver needs here for this pool."""
    return [*_of_this_machine(), *_OF_KIND[pool.kind](), *_WELCOME.get(pool.kind, _nothing)(pool)]


def unmet(pool: PoolSpecification) -> Need | None:
    """Give the first essential need that is not met, or None when the driver can serve this pool."""
    found = [*_of_this_machine(), *_OF_KIND[pool.kind]()]
    return next((need for need in found if need.essential and not need.met), None)


def _of_this_machine() -> Sequence[Need]:
    return [_root(), xfs_need(), *(_tool(*tool) for tool in _TOOLS)]


def _of_loop_files() -> Sequence[Need]:
    return [_device("/dev/loop-control", "loop devices", "loop")]


def _of_thin_pools() -> Sequence[Need]:
    control = _device("/dev/mapper/control", "device-mapper", "dm_thin_pool")
    return [control, _tool("lvm", "lvm2", True, "looks after the volume group")]


def _of_zfs() -> Sequence[Need]:
    return [_device("/dev/zfs", "ZFS", "zfs"), _tool("zfs", "zfsutils-linux", True, "makes volumes and snapshots")]


def _nothing(pool: PoolSpecification) -> Sequence[Need]:
    _ = pool
    return ()


def _root() -> Need:
    user = os.geteuid()
    return Need("root", user == 0, f"user id {user}", "run it as root: mounting and loop devices need it")


def _device(node: str, what: str, module: str) -> Need:
    there = Path(node).exists()
    return Need(what, there, node if there else f"no {node}", f"load the kernel's module: modprobe {module}")


def xfs_need(filesystems: Path = Path("/proc/filesystems"), modules: Path = Path("/lib/modules")) -> Need:
    """Look whether the kernel has XFS, or could have it."""
    if "xfs" in _words(filesystems):
        return Need("xfs", met=True, seen="in the kernel")
    if not modules.exists():
        # A container: whoever mounts XFS has the kernel load it all the same, by the host's own modprobe.
        return Need("xfs", met=True, seen=f"not in the kernel yet; there is no {modules} here to see what it can load")
    module = (modules / os.uname().release / "kernel" / "fs" / "xfs").exists()
    seen = "a module, loaded when needed" if module else "unknown to the kernel"
    return Need("xfs", module, seen, "load the kernel's module: modprobe xfs")


def _tool(name: str, package: str, essential: bool, purpose: str) -> Need:  # noqa: FBT001 - a row of _TOOLS
    path = shutil.which(name)
    return Need(name, path is not None, path or f"not installed; it {purpose}", f"apt-get install {package}", essential)


def _reflink(folder: Path) -> Need:
    place = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    remedy = "none needed: the pool makes one XFS file there and mounts it; a folder on XFS or btrfs is quicker"
    works = _can(lambda: _clone_in(place))
    return Need("reflinks", works, f"{place} {'has' if works else 'has no'} FICLONE", remedy, essential=False)


def _clone_in(folder: Path) -> None:
    source = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    target = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    try:
        os.pwrite(source, b"\1" * _PROBE_BYTES, 0)
        clone_file(target, source)
    finally:
        os.close(source)
        os.close(target)


def _can(probe: Callable[[], None]) -> bool:
    try:
        probe()
    except OSError:
        return False
    return True


def _words(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


_OF_KIND: Mapping[str, Callable[[], Sequence[Need]]] = {
    "loopfile": _of_loop_files,
    "lvm": _of_thin_pools,
    "lvm-direct": _of_thin_pools,
    "zfs": _of_zfs,
}
_WELCOME: Mapping[str, Callable[[PoolSpecification], Sequence[Need]]] = {
    "loopfile": lambda pool: [_reflink(pool.folder)],
}
