"""What fragmentation costs a snapshot: `python bench/extents.py FOLDER`, on XFS or btrfs; see docs/decisions/extents.md.

Ages a file by random 4 KiB writes, with and without extent-size hints, and times a reflink of
it: the first one, the same one repeated, and what a writer feels of both ways to make one.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.pools.loopfile.extents import copy_ahead, count_extents
from rokcsi.system.ioctls import clone_file, set_extent_hints

SIZE = 2 << 30
BLOCK = 4096


@dataclass(frozen=True)
class Case:
    """A file to age: how many writes, which hints in bytes, and whether it was full and shared before."""

    writes: int
    hint: int = 0
    cow_hint: int = 0
    shared: bool = False

    def __str__(self) -> str:
        kind = "overwritten after a snapshot" if self.shared else "written into a sparse file"
        return f"{self.writes:>7,} writes {kind}, hints {self.hint >> 10}/{self.cow_hint >> 10} KiB"


CASES = (
    Case(10_000),
    Case(100_000),
    Case(100_000, hint=64 << 10),
    Case(100_000, hint=1 << 20),
    Case(100_000, shared=True),
    Case(100_000, cow_hint=1 << 20, shared=True),
    Case(100_000, hint=1 << 20, cow_hint=1 << 20, shared=True),
)


@contextmanager
def aged(folder: Path, case: Case) -> Iterator[int]:
    """Give an aged file, open."""
    with unnamed(folder) as file, unnamed(folder) as snapshot:
        os.ftruncate(file, SIZE)
        if case.hint or case.cow_hint:
            set_extent_hints(file, extent_hint=case.hint, cow_extent_hint=case.cow_hint)
        if case.shared:
            for place in range(0, SIZE, 1 << 20):
                os.pwrite(file, os.urandom(1 << 20), place)
            clone_file(snapshot, file)
        write_randomly(file, case.writes, every=5000)
        yield file


@contextmanager
def unnamed(folder: Path) -> Iterator[int]:
    """Give a file that goes with its block."""
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def write_randomly(file: int, writes: int, every: int) -> None:
    """Write blocks anywhere, durably every so many."""
    places, block = random.Random(writes), os.urandom(BLOCK)
    for number in range(writes):
        os.pwrite(file, block, places.randrange(SIZE // BLOCK) * BLOCK)
        if number % every == every - 1:
            os.fdatasync(file)
    os.fsync(file)


def milliseconds(deed: Callable[[], None]) -> float:
    """Time a deed."""
    began = time.perf_counter()
    deed()
    return (time.perf_counter() - began) * 1e3


def longest_write(file: int, deed: Callable[[], None]) -> float:
    """Give the longest that a writer of the file waited for one write during a deed, in milliseconds."""
    longest, done, places, block = [0.0], threading.Event(), random.Random(7), os.urandom(BLOCK)

    def write_one() -> None:
        os.pwrite(file, block, places.randrange(SIZE // BLOCK) * BLOCK)

    def write() -> None:
        while not done.is_set():
            longest[0] = max(longest[0], milliseconds(write_one))
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    deed()
    done.set()
    writer.join()
    return longest[0]


def measure(folder: Path, case: Case) -> None:
    """Print one line for one case."""
    with aged(folder, case) as file, unnamed(folder) as target, unnamed(folder) as other, unnamed(folder) as third:
        first = milliseconds(lambda: clone_file(target, file))
        again = milliseconds(lambda: clone_file(target, file))
        stall = longest_write(file, lambda: clone_file(other, file))
        ahead = longest_write(file, lambda: copy_ahead(third, file))
        rest = milliseconds(lambda: clone_file(third, file))
        print(
            f"{case}: {count_extents(file):>7,} extents, {os.fstat(file).st_blocks >> 11:>5} MiB; reflink {first:7.1f} ms, "
            f"repeated {again:5.1f}; a writer waits {stall:7.1f} ms, or {ahead:5.1f} ahead and {rest:5.1f} in the window",
            flush=True,
        )


def main() -> None:
    """Measure all cases in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for case in CASES:
        measure(folder, case)


if __name__ == "__main__":
    main()
