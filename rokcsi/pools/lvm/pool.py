"""The pool of logical volumes: opened on an LVM thin pool, and from then on a `Pool` like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Leftover, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume, no_labels
from rokcsi.pools.indexed import IndexedPool
from rokcsi.pools.lvm.opened import OpenedPool, Runners, opened_pool
from rokcsi.pools.lvm.records import LABEL_BYTES
from rokcsi.system.command import HostRunner
from rokcsi.system.freezing import MountPoints
from rokcsi.system.locks import KeyedLocks


class LvmPool(IndexedPool):
    """A pool in an LVM thin pool; `open` makes one. Satisfies `Pool` and `FindsLeftovers`."""

    def __init__(self, opened: OpenedPool) -> None:
        self._opened = opened
        self._inventory = opened.inventory
        self._index = opened.inventory.index

    @classmethod
    def open(
        cls, group: str, pool: str, *, points: MountPoints, locks: KeyedLocks, runners: Runners = HostRunner
    ) -> LvmPool:
        """Open the pool in a thin pool, whose first opening makes it ours; what a crash left suspended is resumed first.

        Raises PoolTaken, InvalidRequest, Unavailable, NotSupported, Damaged.
        """
        return cls(opened_pool(group, pool, points=points, locks=locks, runners=runners))

    @property
    def id(self) -> PoolId:
        """The pool's identity, a tag of the thin pool."""
        return self._opened.id

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""
        return f"lvm:{self._opened.access.group}/{self._opened.access.pool}"

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return Traits(
            allocation_unit=self._opened.room.unit,
            formats_volumes=False,
            raw_snapshots_together=True,
            label_bytes=LABEL_BYTES,
        )

    def capacity(self) -> Capacity:
        """How much room there is now, as the kernel's pool says; no process is started."""
        return self._opened.room.capacity()

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume, blank; raise VolumeExists, SizeOutOfRange, PoolFull."""
        return self._opened.volumes.create(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        return self._opened.volumes.clone(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger, attached or not; raise VolumeNotFound, SizeOutOfRange, PoolFull."""
        return self._opened.volumes.grow(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._opened.volumes.delete(id)

    def attach(self, id: VolumeId) -> Path:
        """Activate the logical volume and give its device; raise VolumeNotFound."""
        self._index.volume(id)
        return self._opened.attachments.attach(id)

    def detach(self, id: VolumeId) -> None:
        """Deactivate the logical volume; nothing happens when it is not active. Raises VolumeNotFound, StillInUse."""
        self._index.volume(id)
        self._opened.attachments.detach(id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the logical volume's device, None when it is not active; no process is started."""
        return self._opened.attachments.attached(id)

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Give this pool, which takes no locks."""
        _ = id
        return nullcontext(self)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none; raise VolumeNotFound, SnapshotExists, PoolFull, Busy."""
        _ = aligned  # always
        return self._opened.cutting.take(news) if news else []

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away with one command; raise SnapshotNotFound before anything is gone."""
        self._opened.cutting.delete(ids)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's (an empty value removes one); raise VolumeNotFound."""
        volume = self._index.volume(id)
        return self._opened.volumes.describe(dataclasses.replace(volume, labels=_merged(volume.labels, labels)))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's (an empty value removes one); raise SnapshotNotFound."""
        snapshot = self._index.snapshot(id)
        return self._opened.cutting.describe(dataclasses.replace(snapshot, labels=_merged(snapshot.labels, labels)))

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""
        volume = self._index.volume(id)
        return (
            volume if volume.formatted else self._opened.volumes.describe(dataclasses.replace(volume, formatted=True))
        )

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies; raise VolumeNotFound or SnapshotNotFound."""
        if isinstance(id, VolumeId):
            self._index.volume(id)
        else:
            self._index.snapshot(id)
        return self._opened.footprints.of(id)

    def leftovers(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        return self._opened.leftovers.find()

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them; raise StillInUse when somebody owns it by now."""
        self._opened.leftovers.clear(leftover)

    def close(self) -> None:
        """Give the thin pool back; volumes in use stay in use."""
        self._opened.close()


def _merged(old: Labels, new: Labels) -> Labels:
    return {key: value for key, value in {**old, **new}.items() if value} or no_labels()
