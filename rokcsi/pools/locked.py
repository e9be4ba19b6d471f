"""The wrapper that queues: two calls never change the same thing at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume
from rokcsi.pools.wrapper import PoolWrapper
from rokcsi.system.locks import KeyedLocks


class LockedPool(PoolWrapper):
    """Holds the ids that a call changes, and shares the snapshot it reads; mere questions wait for nobody.

    Every changing verb may also raise LockTimeout, Busy and CallerGone, with nothing done.
    """

    def __init__(self, inner: Pool, locks: KeyedLocks) -> None:
        super().__init__(inner)
        self._locks = locks

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume when its turn comes."""
        with self._locks.held([new.id]):
            return self._inner.create_volume(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Clone a snapshot; many may clone the same one at once."""
        with self._locks.held([new.id], shared=[id]):
            return self._inner.clone_snapshot(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger when its turn comes."""
        with self._locks.held([id]):
            return self._inner.grow_volume(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away when its turn comes."""
        with self._locks.held([id]):
            self._inner.delete_volume(id)

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's block device when its turn comes."""
        with self._locks.held([id]):
            return self._inner.attach(id)

    def detach(self, id: VolumeId) -> None:
        """Take the block device away when its turn comes."""
        with self._locks.held([id]):
            self._inner.detach(id)

    @contextmanager
    def holding(self, id: VolumeId) -> Iterator[Pool]:
        """Keep all others off a volume when its turn comes; the pool given waits for nobody."""
        with self._locks.held([id]):
            yield self._inner

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut when all the volumes are free: nobody freezes a volume twice, or deletes it meanwhile."""
        groups = {new.group.id for new in news if new.group is not None}
        with self._locks.held([*groups, *(new.id for new in news), *(new.volume for new in news)]):
            return self._inner.take_snapshots(news, aligned=aligned)

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away when nobody clones them."""
        going = list(ids)
        with self._locks.held(going):
            self._inner.delete_snapshots(going)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's when its turn comes."""
        with self._locks.held([id]):
            return self._inner.label_volume(id, labels)

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's when its turn comes."""
        with self._locks.held([id]):
            return self._inner.label_snapshot(id, labels)

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume when its turn comes."""
        with self._locks.held([id]):
            return self._inner.mark_formatted(id)
