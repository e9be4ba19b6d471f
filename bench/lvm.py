"""The pool on LVM beside LVM's own commands, turn by turn in one run: `bench/lvm.py VG/THINPOOL [--quick]`, as root.

The thin pool must be empty, and is left empty. Ratios mean something where both are slow for
the same reason, as in the lab's guest; the seconds do not.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import field
from figures import Figure, asked_for, p50, report

from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.lvm import LvmPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable

SIZE = Bytes(64 << 20)
GROUP = 8
numbers = itertools.count()
T = TypeVar("T")


def timed(deed: Callable[..., T], *arguments: object) -> tuple[float, T]:
    """Give how long a deed takes, and what it gave."""
    before = time.perf_counter()
    given = deed(*arguments)
    return time.perf_counter() - before, given


class Bare:
    """LVM's commands as an admin types them."""

    def __init__(self, group: str) -> None:
        self._group = group

    def run(self, *words: str) -> None:
        """Run one."""
        subprocess.run(words, check=True, capture_output=True)

    def clone(self, origin: str) -> str:
        """Take a thin snapshot; give its name."""
        name = f"bare-{next(numbers)}"
        self.run("lvcreate", "--activate", "n", "--snapshot", "--name", name, f"{self._group}/{origin}")
        return name

    def remove(self, *names: str) -> None:
        """Remove thin volumes."""
        self.run("lvremove", "--yes", "--force", *(f"{self._group}/{name}" for name in names))


class Bench:
    """Ours and the bare commands, on one thin pool."""

    def __init__(self, place: str, rounds: int) -> None:
        group, pool = place.split("/")
        self.bare = Bare(group)
        self.rounds = rounds
        self.pool = LvmPool.open(group, pool, points=MountTable(), locks=KeyedLocks())
        self.origin = self.pool.create_volume(NewVolume("origin", SIZE, None))
        [self.snapshot] = self.pool.take_snapshots([NewSnapshot("origin's", self.origin.id)])

    def close(self) -> None:
        """Leave the thin pool as it was."""
        self.pool.delete_snapshots([snapshot.id for snapshot in self.pool.snapshots()])
        for volume in list(self.pool.volumes()):
            self.pool.delete_volume(volume.id)
        self.pool.close()

    def clone(self) -> NewVolume:
        """Clone the snapshot."""
        new = NewVolume(f"clone {next(numbers)}", SIZE, None)
        self.pool.clone_snapshot(self.snapshot.id, new)
        return new

    def clones(self, rounds: int, goal: float | None = 1.15, word: str = "") -> Iterator[Figure]:
        """Clone and delete beside `lvcreate --snapshot` and `lvremove`."""
        ours, bare, gone, bare_gone = [], [], [], []
        for _ in range(rounds):
            took, new = timed(self.clone)
            ours.append(took)
            took, name = timed(self.bare.clone, f"s-{self.snapshot.id}")
            bare.append(took)
            gone.append(timed(self.pool.delete_volume, new.id)[0])
            bare_gone.append(timed(self.bare.remove, name)[0])
        yield figure(f"clone ÷ lvcreate --snapshot{word}, p50", ours, bare, goal)
        yield figure(f"delete ÷ lvremove{word}, p50", gone, bare_gone, goal)

    def snapshots(self) -> Iterator[Figure]:
        """A snapshot of a volume that is open, beside the bare command, and how long its writers waited."""
        ours, bare, windows = [], [], []
        with self.pool.attach(self.origin.id).open("rb"):
            for _ in range(self.rounds):
                took, [snapshot] = timed(self.pool.take_snapshots, self.cut([self.origin]))
                ours.append(took)
                windows.append(snapshot.freeze_window_seconds)
                took, name = timed(self.bare.clone, f"v-{self.origin.id}")
                bare.append(took)
                self.pool.delete_snapshots([snapshot.id])
                self.bare.remove(name)
        self.pool.detach(self.origin.id)
        yield figure("snapshot of an open volume ÷ lvcreate --snapshot, p50", ours, bare, 1.15)
        yield Figure("  … its freeze window, p50", "ms", p50(windows) * 1e3, None, None)

    def groups(self) -> Iterator[Figure]:
        """A group of open volumes beside as many bare commands."""
        volumes = [self.pool.create_volume(NewVolume(f"member {n}", SIZE, None)) for n in range(GROUP)]
        opened = [self.pool.attach(volume.id).open("rb") for volume in volumes]
        ours, bare, windows = [], [], []
        for _ in range(max(3, self.rounds // 4)):
            took, taken = timed(self.pool.take_snapshots, self.cut(volumes))
            ours.append(took)
            windows.append(taken[0].freeze_window_seconds)
            took, names = timed(lambda: [self.bare.clone(f"v-{volume.id}") for volume in volumes])
            bare.append(took)
            self.pool.delete_snapshots([snapshot.id for snapshot in taken])
            self.bare.remove(*names)
        for volume, file in zip(volumes, opened, strict=True):
            file.close()
            self.pool.delete_volume(volume.id)
        yield figure(f"group of {GROUP} open volumes ÷ {GROUP} lvcreate --snapshot, p50", ours, bare, None)
        yield Figure(f"  … its freeze window, p50 of {len(windows)}", "ms", p50(windows) * 1e3, None, None)

    def cut(self, volumes: list[Volume]) -> list[NewSnapshot]:
        """Give what to ask for, under new names."""
        return [NewSnapshot(f"cut {next(numbers)}", volume.id) for volume in volumes]

    def growth(self, steps: list[int]) -> Iterator[Figure]:
        """The same with more and more volumes in the group; LVM's own curve is the column of the floor."""
        for volumes in steps:
            while len(self.pool.volumes()) < volumes:
                self.clone()
            yield from self.clones(max(5, self.rounds // 3), None, f" at {volumes} volumes")
        yield Figure("looking at the pool's room", "ms", timed(self.pool.capacity)[0] * 1e3, None, None)


def figure(metric: str, ours: list[float], bare: list[float], goal: float | None) -> Figure:
    """Give ours beside the bare commands, in milliseconds."""
    return Figure(metric, "ms", p50(ours) * 1e3, p50(bare) * 1e3, p50(ours) / p50(bare), goal)


def measure(place: str, *, quick: bool) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    bench = Bench(place, 5 if quick else 20)
    try:
        yield from bench.clones(bench.rounds)
        yield from bench.snapshots()
        yield from bench.groups()
        yield from bench.growth([10, 30] if quick else [10, 100, 300])
    finally:
        bench.close()


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    pool, quick = asked_for(__doc__, "VG/THINPOOL", "an empty thin pool")
    report(measure(pool, quick=quick), field.facts(), "lvm")


if __name__ == "__main__":
    main()
