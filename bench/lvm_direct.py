"""The pool on thin devices beside bare ioctls, turn by turn in one run: `bench/lvm_direct.py VG/THINPOOL [--quick]`, as root.

The thin pool must be empty, and is left empty. Ratios mean something where both are slow for
the same reason, as in the lab's guest; the seconds do not.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import field
from figures import Figure, asked_for, p50, percentile, report
from lvm import figure, timed
from thin_floor import ThinFloor

from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.lvm_direct import LvmDirectPool
from rokcsi.pools.lvm_direct.devices import name_of
from rokcsi.pools.lvm_direct.lvm_side import LvmCommands
from rokcsi.system.command import HostRunner
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.lvm import Lvm, mapped_name
from rokcsi.system.mounts import MountTable
from rokcsi.system.suspending import Suspender

SIZE = Bytes(64 << 20)
GROUP = 8
WINDOW_GOAL_MS = 5.0
numbers = itertools.count()


class Bench:
    """Ours and the bare ioctls, on one thin pool."""

    def __init__(self, place: str, rounds: int) -> None:
        group, thin_pool = place.split("/")
        self._mapper = mapper = DeviceMapper()
        self.rounds = rounds
        self.pool = LvmDirectPool.open(
            group,
            thin_pool,
            lvm=LvmCommands(Lvm(HostRunner(), group)),
            mapper=mapper,
            suspender=Suspender(mapper, MountTable()),
        )
        self.floor = ThinFloor(mapped_name(group, thin_pool))
        self.origin = self.pool.create_volume(fresh("origin"))
        [self.snapshot] = self.pool.take_snapshots([NewSnapshot("origin's", self.origin.id)])
        settle()

    def close(self) -> None:
        """Leave the thin pool as it was."""
        self.pool.delete_snapshots([snapshot.id for snapshot in self.pool.snapshots()])
        for volume in list(self.pool.volumes()):
            self.pool.delete_volume(volume.id)
        self.pool.close()
        self.floor.close()

    def creates(self) -> Iterator[Figure]:
        """Create and delete beside `create_thin` and `delete`."""
        ours, bare, gone, bare_gone = [], [], [], []
        for _ in range(self.rounds):
            new = fresh("volume")
            ours.append(timed(self.pool.create_volume, new)[0])
            took, number = timed(self.floor.create)
            bare.append(took)
            gone.append(timed(self.pool.delete_volume, new.id)[0])
            bare_gone.append(timed(self.floor.delete, number)[0])
        yield figure("create ÷ create_thin, p50", ours, bare, 2.0)
        yield figure("delete ÷ delete, p50", gone, bare_gone, 2.0)

    def clones(self, goal: float | None = 2.0, word: str = "") -> Iterator[Figure]:
        """Clone beside `create_snap`."""
        origin, ours, bare = self.device_of(self.origin), [], []
        for _ in range(self.rounds):
            new = fresh("clone")
            ours.append(timed(self.pool.clone_snapshot, self.snapshot.id, new)[0])
            took, number = timed(self.floor.snapshot, origin)
            bare.append(took)
            self.pool.delete_volume(new.id)
            self.floor.delete(number)
        yield figure(f"clone ÷ create_snap{word}, p50", ours, bare, goal)

    def groups(self, members: int, *, written: bool) -> Iterator[Figure]:
        """Snapshots of attached volumes at one instant beside suspend, `create_snap` and resume of each."""
        with self.attached(members) as volumes, ExitStack() as writing:
            if written:
                nodes = [node for volume in volumes if (node := self.pool.attached(volume.id))]
                writing.enter_context(field.Writers(nodes))
            names = [name_of(self.pool.id, volume.id) for volume in volumes]
            origins = [self.device_of(volume) for volume in volumes]
            ours, bare, windows, bare_windows = [], [], [], []
            for _ in range(self.rounds):
                settle()
                took, taken = timed(self.pool.take_snapshots, cut(volumes))
                ours.append(took)
                windows.append(taken[0].freeze_window_seconds)
                settle()
                took, (window, made) = timed(self.floor.cut, names, origins)
                bare.append(took)
                bare_windows.append(window)
                self.pool.delete_snapshots([snapshot.id for snapshot in taken])
                for number in made:
                    self.floor.delete(number)
        what = f"{members} volumes {'under load' if written else 'at rest'}"
        yield figure(f"snapshots of {what} ÷ suspend, create_snap, resume, p50", ours, bare, None if written else 2.0)
        worst = [percentile(each, 0.99) * 1e3 for each in (windows, bare_windows)]
        middle = [p50(each) * 1e3 for each in (windows, bare_windows)]
        yield Figure(f"  … the window of {what}, p50", "ms", *middle, None, WINDOW_GOAL_MS)
        yield Figure(f"  … the window of {what}, p99", "ms", *worst, None, None)

    def growth(self, steps: Sequence[int]) -> Iterator[Figure]:
        """Clones with more and more volumes in the pool; the kernel's own curve is the column of the floor."""
        for volumes in steps:
            while len(self.pool.volumes()) < volumes:
                self.pool.clone_snapshot(self.snapshot.id, fresh("more"))
            yield from self.clones(None, f" at {volumes} volumes")

    def device_of(self, volume: Volume) -> int:
        """Give the number of a volume's thin device, as the table of its block device has it."""
        self.pool.attach(volume.id)
        [target] = self._mapper.table(name_of(self.pool.id, volume.id))
        return int(target.words.split()[1])

    @contextmanager
    def attached(self, members: int) -> Iterator[Sequence[Volume]]:
        """Give volumes with block devices for a block."""
        volumes = [self.pool.create_volume(fresh("member")) for _ in range(members)]
        for volume in volumes:
            self.pool.attach(volume.id)
        try:
            yield volumes
        finally:
            for volume in volumes:
                self.pool.delete_volume(volume.id)


def settle() -> None:
    """Let udev come to an end with what was resumed: on one processor it would be measured along."""
    subprocess.run(["udevadm", "settle"], check=True)


def fresh(word: str) -> NewVolume:
    """Give a volume to ask for, under a new name."""
    return NewVolume(f"{word} {next(numbers)}", SIZE, None)


def cut(volumes: Sequence[Volume]) -> list[NewSnapshot]:
    """Give what to ask for, under new names."""
    group = GroupMembership.of_name(f"group {next(numbers)}", len(volumes)) if len(volumes) > 1 else None
    return [NewSnapshot(f"cut {next(numbers)}", volume.id, group) for volume in volumes]


def measure(place: str, *, quick: bool) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    bench = Bench(place, 10 if quick else 60)
    try:
        yield from bench.creates()
        yield from bench.clones()
        yield from bench.groups(1, written=False)
        yield from bench.groups(GROUP, written=False)
        yield from bench.groups(GROUP, written=True)
        yield from bench.growth([10, 30] if quick else [10, 50, 100, 200, 300])
    finally:
        bench.close()


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    pool, quick = asked_for(__doc__, "VG/THINPOOL", "an empty thin pool")
    report(measure(pool, quick=quick), field.facts(), "lvm-direct")


if __name__ == "__main__":
    main()
