"""The pool on a thin pool of LVM's, driven by device-mapper messages: opened, and from then on a `Pool` like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, Unavailable
from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Leftover, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume, no_labels
from rokcsi.pools.indexed import IndexedPool
from rokcsi.pools.lvm_direct.cutting import Cutting
from rokcsi.pools.lvm_direct.devices import Devices
from rokcsi.pools.lvm_direct.entries import LABEL_BYTES
from rokcsi.pools.lvm_direct.founding import journal_of
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.pools.lvm_direct.leftovers import Leftovers
from rokcsi.pools.lvm_direct.lvm_side import LvmSide
from rokcsi.pools.lvm_direct.removal import Removal
from rokcsi.pools.lvm_direct.starting import agree, resume_all
from rokcsi.pools.lvm_direct.volumes import ALLOCATION_UNIT, Volumes
from rokcsi.system.device_mapper import DeviceMapper, MappedDevice
from rokcsi.system.lvm import mapped_name
from rokcsi.system.suspending import Suspender
from rokcsi.system.thin_pool import ThinPool

_TRAITS = Traits(
    allocation_unit=ALLOCATION_UNIT, formats_volumes=False, raw_snapshots_together=True, label_bytes=LABEL_BYTES
)


class LvmDirectPool(IndexedPool):
    """A pool of thin devices; `open` makes one. Satisfies `Pool` and `FindsLeftovers`."""

    def __init__(self, place: str, pool: ThinPool, devices: Devices, lvm: LvmSide, suspender: Suspender) -> None:
        self._place = place
        self._pool = pool
        self._devices = devices
        self._suspender = suspender
        self._block = pool.table().block
        thin_pool = place.partition("/")[2]
        self._records, journal = journal_of(pool, devices, lambda: lvm.has_volumes(thin_pool))
        try:
            self._id = PoolId(journal.owner)
            self._ledger = Ledger(journal)
            self._index = self._ledger.index
            removal = Removal(pool, self._ledger)
            agree(self._id, pool, devices, self._ledger, removal)
        except BaseException:
            self._records.close()
            raise
        self._volumes = Volumes(self._id, pool, devices, self._ledger, removal)
        self._cutting = Cutting(self._id, pool, devices, self._ledger, removal, suspender)
        self._leftovers = Leftovers(self._id, pool, devices, self._ledger)

    @classmethod
    def open(
        cls, group: str, thin_pool: str, *, lvm: LvmSide, mapper: DeviceMapper, suspender: Suspender
    ) -> LvmDirectPool:
        """Open the pool in a thin pool of LVM's, which is activated if need be; who was left suspended goes on first.

        Raises InvalidRequest, PoolTaken, PoolFull, NotSupported, Unavailable, Damaged.
        """
        found = _active(lvm, mapper, group, thin_pool)
        devices = Devices(mapper, found)
        resume_all(mapper, devices)
        return cls(f"{group}/{thin_pool}", ThinPool(mapper, found.name), devices, lvm, suspender)

    @property
    def id(self) -> PoolId:
        """The pool's identity, kept in its journal."""
        return self._id

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""
        return f"lvm-direct:{self._place}"

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return _TRAITS

    def capacity(self) -> Capacity:
        """How much room there is now, of data and of metadata."""
        status = self._pool.status()
        total, used = status.data_total * self._block, status.data_used * self._block
        return Capacity(
            Bytes(total),
            Bytes(used),
            Bytes(self._index.promised),
            Bytes((total - used) // ALLOCATION_UNIT * ALLOCATION_UNIT),
            metadata_used=status.metadata_used / max(1, status.metadata_total),
        )

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull."""
        return self._volumes.create(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        return self._volumes.clone(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger, attached or not; raise VolumeNotFound, SizeOutOfRange."""
        return self._volumes.grow(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._volumes.delete(id)

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's block device; raise VolumeNotFound."""
        volume = self._index.volume(id)
        return self._devices.attach(self._id, id, self._ledger.device_of(id), volume.size)

    def detach(self, id: VolumeId) -> None:
        """Take the block device away; nothing happens when there is none. Raises VolumeNotFound, StillInUse."""
        self._index.volume(id)
        self._devices.detach(self._id, id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the volume's block device, None when there is none now."""
        shown = self._devices.look(self._id, id)
        return None if shown is None else shown.node

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Give this pool, which takes no locks."""
        _ = id
        return nullcontext(self)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none; raise VolumeNotFound, SnapshotExists, PoolFull, Busy."""
        _ = aligned  # always
        return self._cutting.take(news) if news else []

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away with one flush; raise SnapshotNotFound before anything is gone."""
        self._cutting.delete(ids)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's (an empty value removes one); raise VolumeNotFound."""
        volume = self._index.volume(id)
        return self._volumes.describe(dataclasses.replace(volume, labels=_merged(volume.labels, labels)))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's (an empty value removes one); raise SnapshotNotFound."""
        snapshot = self._index.snapshot(id)
        return self._cutting.describe(dataclasses.replace(snapshot, labels=_merged(snapshot.labels, labels)))

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""
        volume = self._index.volume(id)
        return volume if volume.formatted else self._volumes.describe(dataclasses.replace(volume, formatted=True))

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies, in one piece: how it lies in the pool costs nobody anything.

        Raises VolumeNotFound, SnapshotNotFound.
        """
        thing = self._index.volume(id) if isinstance(id, VolumeId) else self._index.snapshot(id)
        if isinstance(id, VolumeId) and self._devices.look(self._id, id) is not None:
            allocated = self._devices.mapped_while_attached(self._id, id)
        else:
            allocated = self._devices.mapped(self._id, self._ledger.device_of(id), thing.size)
        return Footprint(allocated, int(allocated > 0))

    def leftovers(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        return self._leftovers.find()

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them; raise StillInUse when somebody owns it by now."""
        self._leftovers.clear(leftover)

    def close(self) -> None:
        """Give the pool back; volumes in use stay in use."""
        try:
            self._suspender.close()
        finally:
            self._records.close()
            self._devices.remove_journal()


def _active(lvm: LvmSide, mapper: DeviceMapper, group: str, thin_pool: str) -> MappedDevice:
    name = mapped_name(group, thin_pool)
    found = mapper.look(name)
    if found is None:
        lvm.activate_pool(thin_pool)
        found = mapper.look(name)
    if found is None or mapper.look(mapped_name(group, thin_pool, "tpool")) is not None:
        raise InvalidRequest(
            f"LVM keeps volumes of its own in the thin pool {group}/{thin_pool}; serve it with the kind lvm, or make "
            "a thin pool for us alone"
        )
    if found.suspended:
        raise Unavailable(
            f"the thin pool {group}/{thin_pool} is suspended: an LVM command is at work on it, or was killed; "
            f"then end that: lvchange --refresh {group}/{thin_pool}"
        )
    return found


def _merged(old: Labels, new: Labels) -> Labels:
    return {key: value for key, value in {**old, **new}.items() if value} or no_labels()
