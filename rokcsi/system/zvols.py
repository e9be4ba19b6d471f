"""The block devices of ZFS volumes: which one shows which volume, and waiting for one to come.

The kernel numbers them as it likes and makes them on its own time; udev then links
/dev/zvol/DATASET to one, later still, and not on every machine. A link is therefore a hint
only: each device is asked for the name of what it shows (BLKZNAME) before it is given to anybody.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import SystemCallFailed
from rokcsi.system.inotify import CREATED, Watch, watching

_BLKZNAME = 0x8100127D  # OpenZFS' sys/fs/zfs.h: _IOR(0x12, 125, char[256])
_NAME_BYTES = 256
_LOOK_AGAIN_SECONDS = 1.0
_DEVICES = Path("/dev")
_LINKS = Path("/dev/zvol")
_BLOCK = Path("/sys/block")
_DEVICE = re.compile(r"zd[0-9]+")


@dataclass(frozen=True, slots=True)
class _Node:
    """A device as it was at one moment: one that comes later under the same name has another node."""

    device: Path
    inode: int
    made_at: int


class Zvols:
    """Finds the device of a volume; remembers what each device showed, so that only new ones are asked."""

    def __init__(self) -> None:
        self._shown: dict[_Node, str] = {}

    def find(self, dataset: str) -> Path | None:
        """Give the device that shows this volume now, None when there is none (yet)."""
        link = _linked(dataset)
        if link is not None and shown_by(link) == dataset:
            return link
        return next((node.device for node in self._likely(dataset) if self._asked(node) == dataset), None)

    def claimed(self) -> Mapping[str, Path]:
        """Look at all devices; give those that somebody has for himself, by what they show."""
        return {
            shown: node.device
            for node in _nodes()
            if is_claimed(node.device) and (shown := self._asked(node)) is not None
        }

    def awaited(self, dataset: str, seconds: float) -> Path:
        """Give the device that shows this volume, as soon as it is there; raise SystemCallFailed when it does not come."""
        device = self.find(dataset)
        if device is not None:
            return device
        with watching(_DEVICES, CREATED) as watch:
            return self._awaited(dataset, watch, time.monotonic() + seconds)

    def _awaited(self, dataset: str, watch: Watch, until: float) -> Path:
        while True:
            device = self.find(dataset)
            if device is not None:
                return device
            left = until - time.monotonic()
            if left <= 0:
                raise SystemCallFailed(
                    f"no block device has come for {dataset}; its volmode must be dev, and the kernel log says what else "
                    f"may be wrong. `zfs set volmode=none {dataset}` and then `zfs inherit volmode {dataset}` makes it anew"
                )
            # A device that has come may not be ready to be asked, and nothing tells when it is.
            watch.await_event(min(left, _LOOK_AGAIN_SECONDS))

    def _likely(self, dataset: str) -> Iterator[_Node]:
        """Give the devices that have shown this volume, then those of which nothing is known yet."""
        nodes = _nodes()
        self._shown = {node: shown for node, shown in list(self._shown.items()) if node in nodes}
        yield from (node for node, shown in list(self._shown.items()) if shown == dataset)
        yield from (node for node in nodes if node not in self._shown)

    def _asked(self, node: _Node) -> str | None:
        shown = shown_by(node.device)
        if shown is not None:
            self._shown[node] = shown
        return shown


def _nodes() -> frozenset[_Node]:
    nodes = []
    for entry in os.scandir(_BLOCK):
        if _DEVICE.fullmatch(entry.name):
            device = _DEVICES / entry.name
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(device)
                nodes.append(_Node(device, found.st_ino, found.st_ctime_ns))
    return frozenset(nodes)


def shown_by(device: Path) -> str | None:
    """Give the name of the volume that a device shows; None when it shows none, or cannot be opened now."""
    try:
        with _opened(device, os.O_RDONLY) as fd:
            return _name(fd)
    except OSError:
        return None


def number_of(device: Path) -> int | None:
    """Give a device's number as in st_rdev; None when it is gone."""
    try:
        return os.stat(device).st_rdev
    except FileNotFoundError:
        return None


def is_claimed(device: Path) -> bool:
    """Tell whether somebody has a device for himself: a mount in any mount namespace, say. A device that is gone has nobody."""
    try:
        with _opened(device, os.O_RDONLY | os.O_EXCL):
            return False
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        if error.errno in {errno.ENOENT, errno.ENXIO}:
            return False
        raise SystemCallFailed(f"cannot open {device}: {error.strerror}") from error


def write_out(device: Path) -> None:
    """Write out what the kernel's cache holds for a device."""
    try:
        with _opened(device, os.O_RDONLY) as fd:
            os.fsync(fd)
    except OSError as error:
        raise SystemCallFailed(f"cannot write out {device}: {error.strerror}") from error


def _name(fd: int) -> str:
    answer = bytearray(_NAME_BYTES)
    fcntl.ioctl(fd, _BLKZNAME, answer)
    return os.fsdecode(bytes(answer).partition(b"\0")[0])


def _linked(dataset: str) -> Path | None:
    try:
        target = os.readlink(_LINKS / dataset)
    except OSError:
        return None
    name = Path(target).name
    return _DEVICES / name if _DEVICE.fullmatch(name) else None


@contextmanager
def _opened(device: Path, flags: int) -> Iterator[int]:
    fd = os.open(device, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
