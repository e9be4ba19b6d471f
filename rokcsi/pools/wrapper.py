"""What every wrapper of a pool begins with: each verb goes on to the pool inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rokcsi.model.ids import GroupId, PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume


class PoolWrapper:
    """Passes every verb on to `inner`; a wrapper overrides those it changes. See `rokcsi.model.pool`."""

    def __init__(self, inner: Pool) -> None:
        self._inner = inner

    @property
    def inner(self) -> Pool:
        """The pool that is wrapped."""
        return self._inner

    @property
    def id(self) -> PoolId:
        """The pool's identity, kept in the pool."""
        return self._inner.id

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""
        return self._inner.name

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return self._inner.traits

    def capacity(self) -> Capacity:
        """How much room there is now."""
        return self._inner.capacity()

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound."""
        return self._inner.volume(id)

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""
        return self._inner.volumes()

    def snapshot(self, id: SnapshotId) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""
        return self._inner.snapshot(id)

    def snapshots(self) -> Sequence[Snapshot]:
        """Give all snapshots, ordered by id."""
        return self._inner.snapshots()

    def snapshots_of(self, volume: VolumeId) -> Sequence[Snapshot]:
        """Give the snapshots of one volume, ordered by id."""
        return self._inner.snapshots_of(volume)

    def group(self, id: GroupId) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""
        return self._inner.group(id)

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume."""
        return self._inner.create_volume(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot."""
        return self._inner.clone_snapshot(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger."""
        return self._inner.grow_volume(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away."""
        self._inner.delete_volume(id)

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's block device on this node."""
        return self._inner.attach(id)

    def detach(self, id: VolumeId) -> None:
        """Take the block device away."""
        self._inner.detach(id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the volume's block device, None when it has none now."""
        return self._inner.attached(id)

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Keep all others off a volume through several steps."""
        return self._inner.holding(id)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none."""
        return self._inner.take_snapshots(news, aligned=aligned)

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away."""
        self._inner.delete_snapshots(ids)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's."""
        return self._inner.label_volume(id, labels)

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's."""
        return self._inner.label_snapshot(id, labels)

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume."""
        return self._inner.mark_formatted(id)

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies."""
        return self._inner.footprint(id)

    def close(self) -> None:
        """Give the pool back."""
        self._inner.close()


def unwrapped(pool: Pool) -> Pool:
    """Give the pool inside all wrappers, which may offer more than every pool does (`FindsLeftovers`, say)."""
    while isinstance(pool, PoolWrapper):
        pool = pool.inner
    return pool
