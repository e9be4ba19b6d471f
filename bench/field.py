"""The field of play: one XFS image on a loop device, for the driver's pool and the floor alike."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self


@contextlib.contextmanager
def xfs_field(folder: Path, gibibytes: int) -> Iterator[Path]:
    """Make, mount and afterwards take away an XFS with reflinks in a sparse image; give its mount point."""
    image, mounted = folder / "field.xfs", folder / "field"
    mounted.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(gibibytes << 30)
    subprocess.run(["mkfs.xfs", "-q", "-s", "size=4096", "-m", "reflink=1", image], check=True)
    loop = subprocess.run(
        ["losetup", "--find", "--show", "--direct-io=on", image], check=True, capture_output=True, text=True
    )
    device = loop.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "nouuid", device, mounted], check=True)
        try:
            yield mounted
        finally:
            subprocess.run(["umount", mounted], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
        image.unlink()


class Writers:
    """A process whose threads keep writing, each into a file or a device of its own, until told to stop."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._program = [sys.executable, __file__, *map(str, files)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._program, stdin=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)


def write_on(files: Sequence[str]) -> None:
    """Write a block somewhere into each file every five milliseconds, until the standard input is closed."""
    stop = threading.Event()
    threads = [threading.Thread(target=_write, args=(file, stop)) for file in files]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()


def _write(written: str, stop: threading.Event) -> None:
    block = os.urandom(1 << 16)
    with open(written, "wb", buffering=0) as file:
        while not stop.wait(0.005):
            file.seek(random.randrange(256) << 16)
            file.write(block)


def age(file: Path, extents: int, span_bytes: int) -> None:
    """Write 4 KiB blocks at random places until the file is in about so many pieces."""
    places = random.Random(7).sample(range(span_bytes // 8192), extents)
    descriptor = os.open(file, os.O_RDWR)
    block = os.urandom(4096)
    for place in places:
        os.pwrite(descriptor, block, place * 8192)
    os.fsync(descriptor)
    os.close(descriptor)


def facts() -> dict[str, str | int]:
    """What a reader of the figures must know of the machine."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": sys.version.split()[0],
    }


if __name__ == "__main__":
    write_on(sys.argv[1:])
