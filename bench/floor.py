"""The floor: what the kernel itself takes, by bare system calls in one thread and nothing else.

Everything the driver does is divided by this, measured in the same run on the same file
system and the same source files. It imports nothing of rokcsi on purpose.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FICLONE = 0x40049409
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_CLR_FD = 0x4C82, 0x4C0A, 0x4C01
MS_BIND = 4096

_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    answer = _libc.mount(
        source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if options is None else options.encode(),
    )
    if answer:
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def clone_durably(source: Path, target: Path) -> None:
    """open, FICLONE, one fsync."""
    reading = os.open(source, os.O_RDONLY)
    writing = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.ioctl(writing, FICLONE, reading)
    os.fsync(writing)
    os.close(writing)
    os.close(reading)


def attach(file: Path) -> str:
    """LOOP_CTL_GET_FREE and LOOP_CONFIGURE; give the device's path."""
    control = os.open("/dev/loop-control", os.O_RDWR)
    number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    os.close(control)
    device = f"/dev/loop{number}"
    loop, backing = os.open(device, os.O_RDWR), os.open(file, os.O_RDWR)
    fcntl.ioctl(loop, LOOP_CONFIGURE, struct.pack("=II", backing, 0) + bytes(232 + 64))
    os.close(backing)
    os.close(loop)
    return device


def detach(device: str) -> None:
    """LOOP_CLR_FD."""
    loop = os.open(device, os.O_RDWR)
    fcntl.ioctl(loop, LOOP_CLR_FD)
    os.close(loop)


class Floor:
    """Works in one folder of the file system under test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)

    def _fresh(self) -> Path:
        self._count += 1
        return self._folder / f"clone-{self._count}"

    def clone_stage_publish(self, source: Path) -> float:
        """Clone a file durably, attach it, mount it, bind it; give the seconds. Undone outside of the time."""
        clone = self._fresh()
        staging, target = str(self._folder / "staging"), str(self._folder / "target")
        before = time.perf_counter()
        clone_durably(source, clone)
        device = attach(clone)
        os.mkdir(staging)
        _mount(device, staging, "xfs", 0, "nouuid")
        os.mkdir(target)
        _mount(staging, target, None, MS_BIND, None)
        seconds = time.perf_counter() - before
        for path in (target, staging):
            _libc.umount2(path.encode(), 0)
            os.rmdir(path)
        detach(device)
        clone.unlink()
        return seconds

    def clone(self, source: Path) -> float:
        """Clone a file durably; give the seconds."""
        clone = self._fresh()
        before = time.perf_counter()
        clone_durably(source, clone)
        seconds = time.perf_counter() - before
        clone.unlink()
        return seconds

    def clones_a_second(self, source: Path, number: int, threads: int) -> float:
        """Clone a file `number` times durably from `threads` threads; give the rate."""
        targets = [self._fresh() for _ in range(number)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(os.path.exists, [self._folder] * threads))
            before = time.perf_counter()
            list(pool.map(lambda target: clone_durably(source, target), targets))
            seconds = time.perf_counter() - before
        for target in targets:
            target.unlink()
        return number / seconds

    def window(self, mounted: list[tuple[Path, Path]]) -> float:
        """FIFREEZE in parallel, FICLONE each, FITHAW each, of (mount point, backing file); give the seconds."""
        clones = [self._fresh() for _ in mounted]
        roots = [os.open(root, os.O_RDONLY) for root, _ in mounted]
        files = [os.open(file, os.O_RDONLY) for _, file in mounted]
        targets = [os.open(clone, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600) for clone in clones]
        with ThreadPoolExecutor(len(mounted)) as pool:
            list(pool.map(os.fstat, roots))
            for root in roots:
                _libc.syncfs(root)
            before = time.perf_counter()
            list(pool.map(lambda root: fcntl.ioctl(root, FIFREEZE, 0), roots))
            try:
                list(pool.map(lambda pair: fcntl.ioctl(pair[0], FICLONE, pair[1]), zip(targets, files, strict=True)))
            finally:
                list(pool.map(lambda root: fcntl.ioctl(root, FITHAW, 0), roots))
            seconds = time.perf_counter() - before
        for descriptor in (*roots, *files, *targets):
            os.close(descriptor)
        for clone in clones:
            clone.unlink()
        return seconds
