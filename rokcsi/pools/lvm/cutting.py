"""Snapshots cut at one instant: all of a call, or none.

Called by the pool. One snapshot is one LVM command, which suspends its origin for a moment
where that is active. Of several, each such command would be an instant of its own, and LVM
works on no origin that we have suspended. So their logical volumes are made first, empty;
then all active origins are suspended, and the kernel is asked to put a snapshot in the place
of each empty thin device: the writers wait for that and nothing else.

The snapshots of one call carry the call's batch, and one of them is told how long the
writers were held up when all are there. Where nobody of a batch was told, opening the pool
removes it. Before a part of a batch is deleted, all the others are told; and of a whole one
the one that was told goes first, so that what a crash leaves of it goes too.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rokcsi.model.errors import SnapshotExists, ToolFailed
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import Volume, no_labels
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.attempts import Attempts
from rokcsi.pools.lvm.footprints import Footprints
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.mending import delete_if_there
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.records import Batch, StoredSnapshot, held_tag, is_told, record_tags_in, snapshot_tags
from rokcsi.system.device_mapper import MappedDevice
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.lvm import Lvm, NewThinVolume
from rokcsi.system.lvm_refusals import LvmRefused
from rokcsi.system.lvm_reports import GroupReport
from rokcsi.system.suspending import Suspender

declare("lvm.cut.made", "lvm.cut.group-made", "lvm.cut.emptied", "lvm.cut.copied", "lvm.cut.resumed", "lvm.cut.settled")
declare("lvm.delete-snapshots.settled", "lvm.delete-snapshots.removed", "lvm.describe-snapshot.tagged")


@dataclass(frozen=True, slots=True)
class _Target:
    """A snapshot to be made, and the volume it is of."""

    snapshot: Snapshot
    volume: Volume


@dataclass(frozen=True, slots=True)
class Cutting:
    """Takes, describes and deletes a pool's snapshots; the inventory follows."""

    access: PoolAccess
    inventory: Inventory
    footprints: Footprints
    attempts: Attempts
    suspender: Suspender

    def take(self, news: Sequence[NewSnapshot]) -> Sequence[Snapshot]:
        """Cut snapshots; raise VolumeNotFound, SnapshotExists, PoolFull, Busy."""
        self._refuse_taken(news)
        volumes = {new.volume: self.inventory.index.volume(new.volume) for new in news}
        devices = {id_: device for id_ in volumes if (device := self.access.device(id_)) is not None}
        now = dt.datetime.now(dt.UTC)
        targets = [_Target(_snapshot(new, volumes[new.volume], devices, now), volumes[new.volume]) for new in news]
        taken = [self._take_one(targets[0], devices)] if len(targets) == 1 else self._take_all(targets, devices)
        for stored in taken:
            self.inventory.put_snapshot(stored)
            self.footprints.note_copy(stored.snapshot.id, stored.snapshot.volume)
        return [stored.snapshot for stored in taken]

    def describe(self, snapshot: Snapshot) -> Snapshot:
        """Write down what a snapshot has become, and how long its writers were held up if nobody has yet."""
        stored = self.inventory.snapshot(snapshot.id)
        record = snapshot_tags(snapshot)
        told = [held_tag(snapshot)] if snapshot.freeze_window_seconds and stored.batch is None else []
        kept = tuple(tag for tag in stored.tags if tag not in record_tags_in(stored.tags))
        new = (*record, *kept, *(tag for tag in told if tag not in kept))
        with self.access.commanding("describe the snapshot") as lvm:
            add = [tag for tag in new if tag not in stored.tags]
            lvm.retag([name_of(snapshot.id)], add=add, remove=[tag for tag in stored.tags if tag not in new])
            failpoint("lvm.describe-snapshot.tagged")
        self.inventory.put_snapshot(replace(stored, snapshot=snapshot, tags=new))
        return snapshot

    def delete(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away; raise SnapshotNotFound before anything is gone, StillInUse."""
        going = {id_: self.inventory.snapshot(id_) for id_ in ids}
        if not going:
            return
        with self.access.commanding("delete snapshots") as lvm:
            self._settle_those_left(lvm, going)
            try:
                lvm.remove_if_there(name_of(id_) for id_ in sorted(going, key=lambda id_: not is_told(going[id_].tags)))
            except LvmRefused:
                self._forget_those_gone(lvm, going)
                if any(self.inventory.index.has_snapshot(id_) for id_ in going):
                    raise
            failpoint("lvm.delete-snapshots.removed")
        for id_ in going:
            self._forget(id_)

    def _refuse_taken(self, news: Sequence[NewSnapshot]) -> None:
        seen: set[SnapshotId] = set()
        for new in news:
            if new.id in seen or self.inventory.index.has_snapshot(new.id):
                raise SnapshotExists(f"a snapshot named {new.name!r} is in this pool already")
            seen.add(new.id)

    def _take_one(self, target: _Target, devices: Mapping[VolumeId, MappedDevice]) -> StoredSnapshot:
        snapshot, tags = target.snapshot, snapshot_tags(target.snapshot)
        with self.access.commanding("take a snapshot") as lvm, self.attempts.attempt(lvm) as begun:
            begun.append(name_of(snapshot.id))

            def cut() -> None:
                lvm.snapshot(NewThinVolume(begun[0], tags, readonly=True), name_of(snapshot.volume))
                failpoint("lvm.cut.made")

            device = devices.get(snapshot.volume)
            if device is None:
                cut()
                return StoredSnapshot(snapshot, tags)
            window = self.suspender.lend(device.name, cut)
        return StoredSnapshot(_held_up(snapshot, window if device.open_count else 0.0), tags)

    def _take_all(
        self, targets: Sequence[_Target], devices: Mapping[VolumeId, MappedDevice]
    ) -> Sequence[StoredSnapshot]:
        batch = Batch(os.urandom(6).hex(), len(targets))
        with self.access.commanding("take snapshots") as lvm, self.attempts.attempt(lvm) as begun:
            for target in targets:
                begun.append(name_of(target.snapshot.id))
                new = NewThinVolume(begun[-1], snapshot_tags(target.snapshot, batch), readonly=True)
                lvm.create(new, target.volume.size, self.access.pool)
                failpoint("lvm.cut.group-made")
            window = self._cut_together(targets, devices, lvm.report())
            if not any(device.open_count for device in devices.values()):
                window = 0.0
            cut = [_held_up(target.snapshot, window) for target in targets]
            lvm.retag(begun[:1], add=[held_tag(cut[0])])
            failpoint("lvm.cut.settled")
        tags = [snapshot_tags(snapshot, batch) for snapshot in cut]
        tags[0] = (*tags[0], held_tag(cut[0]))
        return [StoredSnapshot(*of, batch) for of in zip(cut, tags, strict=True)]

    def _cut_together(
        self, targets: Sequence[_Target], devices: Mapping[VolumeId, MappedDevice], report: GroupReport
    ) -> float:
        """Put a snapshot in the place of each empty thin device; give for how long writers were held up, in seconds."""
        pool = self.access.kernel_pool()
        pairs = [(_thin_id(report, target.snapshot.id), _thin_id(report, target.volume.id)) for target in targets]
        for empty, _ in pairs:
            delete_if_there(pool, empty)
        failpoint("lvm.cut.emptied")

        def cut() -> None:
            for snapshot, origin in pairs:
                pool.create_snap(snapshot, origin)
                failpoint("lvm.cut.copied")

        window = self.suspender.cut([device.name for device in devices.values()], cut)
        failpoint("lvm.cut.resumed")
        return window

    def _settle_those_left(self, lvm: Lvm, going: Mapping[SnapshotId, StoredSnapshot]) -> None:
        for batch in {stored.batch for stored in going.values() if stored.batch is not None}:
            left = [it for it in self.inventory.batch(batch) if it.snapshot.id not in going and not is_told(it.tags)]
            if not left:
                continue
            told = held_tag(left[0].snapshot)
            lvm.retag([name_of(stored.snapshot.id) for stored in left], add=[told])
            failpoint("lvm.delete-snapshots.settled")
            for stored in left:
                self.inventory.put_snapshot(replace(stored, tags=(*stored.tags, told)))

    def _forget_those_gone(self, lvm: Lvm, going: Iterable[SnapshotId]) -> None:
        report = lvm.report()
        for id_ in going:
            if report.volume(name_of(id_)) is None:
                self._forget(id_)

    def _forget(self, id: SnapshotId) -> None:
        self.inventory.drop_snapshot(id)
        self.footprints.forget(id)


def _snapshot(new: NewSnapshot, volume: Volume, devices: Mapping[VolumeId, MappedDevice], now: dt.datetime) -> Snapshot:
    device = devices.get(volume.id)
    # A file system is frozen with its device; of raw blocks nobody knows what is in flight.
    in_flight = volume.filesystem is None and device is not None and device.open_count > 0
    return Snapshot(
        id=new.id,
        name=new.name,
        volume=volume.id,
        size=volume.size,
        filesystem=volume.filesystem,
        formatted=volume.formatted,
        created_at=now,
        group=new.group,
        consistency=Consistency.CRASH if in_flight else Consistency.FROZEN,
        labels=dict(new.labels) or no_labels(),
    )


def _held_up(snapshot: Snapshot, window: float) -> Snapshot:
    return replace(snapshot, freeze_window_seconds=round(window, 6))


def _thin_id(report: GroupReport, id: SnapshotId | VolumeId) -> int:
    found = report.volume(name_of(id))
    if found is None or found.thin_id is None:
        raise ToolFailed(f"the logical volume {name_of(id)} was there a moment ago, and LVM does not show it")
    return found.thin_id
