"""The pool on ZFS beside the commands of ZFS, turn by turn in one run: `bench/zfs.py POOL/PATH [--quick]`, as root.

The dataset must be a pool of ours that is empty, and is left empty. Ratios mean something
where both are slow for the same reason, as in the lab's guest; the seconds do not.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import field
from figures import Figure, asked_for, p50, report
from lvm import figure, timed

from rokcsi.model.errors import Busy
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.command import HostRunner
from rokcsi.system.freezing import Freezer
from rokcsi.system.make_filesystem import make_on_device
from rokcsi.system.mounts import MountTable, mount, unmount

SIZE = Bytes(320 << 20)
GROUP = 8
numbers = itertools.count()


class Bare:
    """The commands of ZFS as an admin types them, on volumes below our dataset."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset

    def place(self, volume: Volume) -> str:
        """Give a volume's dataset."""
        return f"{self._dataset}/v-{volume.id}"

    def run(self, *words: str) -> None:
        """Run one."""
        subprocess.run(("zfs", *words), check=True, capture_output=True)

    def snapshot(self, *volumes: Volume) -> list[str]:
        """Take snapshots with one command; give their names."""
        names = [f"{self.place(volume)}@bare-{next(numbers)}" for volume in volumes]
        self.run("snapshot", *names)
        return names

    def clone(self, snapshot: str) -> str:
        """Clone a snapshot; give the clone's name."""
        name = f"{self._dataset}/bare-{next(numbers)}"
        self.run("clone", snapshot, name)
        return name

    def snapshot_and_clone(self, volume: Volume) -> tuple[str, str]:
        """Clone a volume as an admin does; give what was made, the snapshot first."""
        [snapshot] = self.snapshot(volume)
        return snapshot, self.clone(snapshot)

    def destroy(self, *names: str) -> None:
        """Remove these, one after the other, the last first; what udev looks at in this moment is tried again."""
        for name in reversed(names):
            while True:
                ended = subprocess.run(("zfs", "destroy", name), capture_output=True, text=True, check=False)
                if ended.returncode == 0:
                    break
                assert "busy" in ended.stderr, ended.stderr


class Bench:
    """Ours and the bare commands, below one dataset."""

    def __init__(self, dataset: str, rounds: int) -> None:
        self.bare = Bare(dataset)
        self.rounds = rounds
        self.pool = ZfsPool.open(dataset, freezer=Freezer(MountTable()))
        self.origin = self.pool.create_volume(fresh("origin"))
        self.snapshot = self.cut(self.origin)
        self.thrown_away = 0

    def close(self) -> None:
        """Leave the dataset as it was."""
        for volume in list(self.pool.volumes()):
            self.pool.delete_volume(volume.id)
        self.pool.delete_snapshots([snapshot.id for snapshot in self.pool.snapshots()])
        self.pool.close()

    def cut(self, volume: Volume) -> NewSnapshot:
        """Take a snapshot; give what was asked for."""
        new = NewSnapshot(f"cut {next(numbers)}", volume.id)
        self.pool.take_snapshots([new])
        return new

    def clone(self, snapshot: NewSnapshot) -> NewVolume:
        """Clone a snapshot; give what was asked for."""
        new = fresh("clone")
        self.pool.clone_snapshot(snapshot.id, new)
        return new

    def snapshot_and_clone(self) -> tuple[NewSnapshot, NewVolume]:
        """Clone the origin by way of a snapshot; give what was asked for."""
        snapshot = self.cut(self.origin)
        return snapshot, self.clone(snapshot)

    def copies(self) -> Iterator[Figure]:
        """Snapshot and clone, and delete both, beside the bare commands."""
        ours, bare, gone, bare_gone = [], [], [], []
        for _ in range(self.rounds):
            took, (snapshot, clone) = timed(self.snapshot_and_clone)
            ours.append(took)
            took, names = timed(self.bare.snapshot_and_clone, self.origin)
            bare.append(took)
            gone.append(timed(self._delete, snapshot, clone)[0])
            bare_gone.append(timed(self.bare.destroy, *names)[0])
        yield figure("snapshot + clone ÷ zfs snapshot + zfs clone, p50", ours, bare, 1.15)
        yield figure("delete both ÷ zfs destroy of both, p50", gone, bare_gone, 1.15)

    def clones(self, word: str = "") -> Iterator[Figure]:
        """Clone one snapshot beside the bare command."""
        ours, bare = [], []
        name = f"{self.bare.place(self.origin)}@s-{self.snapshot.id}"
        for _ in range(self.rounds):
            took, clone = timed(self.clone, self.snapshot)
            ours.append(took)
            took, made = timed(self.bare.clone, name)
            bare.append(took)
            self.pool.delete_volume(clone.id)
            self.bare.destroy(made)
        yield figure(f"clone ÷ zfs clone{word}, p50", ours, bare, None if word else 1.15)

    def groups(self, folder: Path) -> Iterator[Figure]:
        """A group of mounted volumes under load beside one bare command for each, and one for all."""
        with (
            self.mounted(folder, GROUP) as volumes,
            field.Writers([folder / volume.name / "written" for volume in volumes]),
        ):
            ours, singly, together, windows = [], [], [], []
            for _ in range(max(3, self.rounds // 4)):
                took, taken = self._checkpoint(volumes)
                ours.append(took)
                windows.append(taken[0].freeze_window_seconds)
                took, names = timed(lambda: [name for volume in volumes for name in self.bare.snapshot(volume)])
                singly.append(took)
                took, more = timed(self.bare.snapshot, *volumes)
                together.append(took)
                self.pool.delete_snapshots([snapshot.id for snapshot in taken])
                self.bare.destroy(*names, *more)
        what = f"checkpoint of {GROUP} mounted volumes under load"
        yield figure(f"{what} ÷ {GROUP} zfs snapshot, p50", ours, singly, 1.0)
        yield figure(f"{what} ÷ one zfs snapshot of all, frozen by nobody, p50", ours, together, None)
        yield Figure(f"  … its freeze window, p50 of {len(windows)}", "ms", p50(windows) * 1e3, None, None)
        yield Figure("  … windows of more than two seconds, thrown away", "", self.thrown_away, None, None)

    def growth(self, steps: Sequence[int]) -> Iterator[Figure]:
        """Clones with more and more volumes; the curve of ZFS itself is the column of the floor."""
        for volumes in steps:
            while len(self.pool.volumes()) < volumes:
                self.clone(self.snapshot)
            yield from self.clones(f" at {volumes} volumes")
        yield Figure("looking at the pool's room", "ms", timed(self.pool.capacity)[0] * 1e3, None, None)

    @contextmanager
    def mounted(self, folder: Path, members: int) -> Iterator[Sequence[Volume]]:
        """Give mounted volumes for a block, each seen in the folder by its name."""
        with ExitStack() as stack:
            volumes = []
            for _ in range(members):
                volume = self.pool.create_volume(fresh("member"))
                stack.callback(self.pool.delete_volume, volume.id)
                device, point = self.pool.attach(volume.id), folder / volume.name
                make_on_device(HostRunner(), device, "xfs")
                point.mkdir()
                mount(device, point, "xfs", 0, "nouuid")
                stack.callback(unmount, point)
                volumes.append(volume)
            yield volumes

    def _checkpoint(self, volumes: Sequence[Volume]) -> tuple[float, Sequence[Snapshot]]:
        """Take snapshots at one instant; again, as callers do, where the window was too long and was thrown away."""
        while True:
            news = [NewSnapshot(f"cut {next(numbers)}", volume.id) for volume in volumes]
            try:
                return timed(self.pool.take_snapshots, news)
            except Busy:
                self.thrown_away += 1

    def _delete(self, snapshot: NewSnapshot, clone: NewVolume) -> None:
        self.pool.delete_volume(clone.id)
        self.pool.delete_snapshots([snapshot.id])


def fresh(word: str) -> NewVolume:
    """Give a volume to ask for, under a new name."""
    return NewVolume(f"{word} {next(numbers)}", SIZE, None)


def measure(dataset: str, folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    bench = Bench(dataset, 5 if quick else 20)
    try:
        yield from bench.copies()
        yield from bench.clones()
        yield from bench.groups(folder)
        yield from bench.growth([10, 30] if quick else [10, 50, 100, 200, 300])
    finally:
        bench.close()


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    pool, quick = asked_for(__doc__, "POOL/PATH", "an empty pool of ours")
    with tempfile.TemporaryDirectory(prefix="rokcsi-bench-") as folder:
        report(measure(pool, Path(folder), quick=quick), field.facts(), "zfs")


if __name__ == "__main__":
    main()
