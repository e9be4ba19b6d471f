"""Snapshots cut at one instant: all of a call, or none.

Called by the pool. Attached volumes are suspended together, then one message a snapshot makes
its thin device, and all go on. After the window one change of the journal, with one flush,
brings all snapshots of the call into the pool: it is written wholly or not at all, so that a
crash leaves none of a call, or all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rokcsi.model.errors import SnapshotExists
from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.snapshot import Consistency, NewSnapshot, Snapshot
from rokcsi.model.volume import Volume, no_labels
from rokcsi.pools.lvm_direct.devices import Devices
from rokcsi.pools.lvm_direct.entries import Entry
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.pools.lvm_direct.removal import Removal
from rokcsi.system.device_mapper import MappedDevice
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.suspending import Suspender
from rokcsi.system.thin_pool import ThinPool

declare("lvm-direct.cut.suspended", "lvm-direct.cut.made", "lvm-direct.cut.resumed", "lvm-direct.cut.written")
declare("lvm-direct.describe-snapshot.written", "lvm-direct.delete-snapshots.written")


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume about to be cut: the number of its thin device, and its block device where it is attached."""

    volume: Volume
    device: int
    shown: MappedDevice | None

    @property
    def consistency(self) -> Consistency:
        """What suspending achieves: file systems are frozen with it; a raw writer is stopped between any two writes."""
        raw_in_use = self.shown is not None and self.shown.open_count > 0 and self.volume.filesystem is None
        return Consistency.CRASH if raw_in_use else Consistency.FROZEN


class Cutting:
    """Takes, describes and deletes a pool's snapshots; the ledger follows."""

    def __init__(
        self, id: PoolId, pool: ThinPool, devices: Devices, ledger: Ledger, removal: Removal, suspender: Suspender
    ) -> None:
        self._id = id
        self._pool = pool
        self._devices = devices
        self._ledger = ledger
        self._removal = removal
        self._suspender = suspender

    def take(self, news: Sequence[NewSnapshot]) -> Sequence[Snapshot]:
        """Cut snapshots; raise VolumeNotFound, SnapshotExists, PoolFull, Busy."""
        self._refuse_taken(news)
        sources = {new.volume: self._source(new.volume) for new in news}
        targets = self._ledger.take_devices(len(news))
        try:
            window = self._cut(sources, list(zip(news, targets, strict=True)))
            failpoint("lvm-direct.cut.resumed")
            now = dt.datetime.now(dt.UTC)
            snapshots = [_snapshot(new, sources[new.volume], window, now) for new in news]
            self._ledger.put([Entry(each, device) for each, device in zip(snapshots, targets, strict=True)])
        except BaseException:
            self._removal.undo(targets)
            raise
        failpoint("lvm-direct.cut.written")
        return snapshots

    def describe(self, snapshot: Snapshot) -> Snapshot:
        """Write down what a snapshot has become; raise SystemCallFailed."""
        self._ledger.put([Entry(snapshot, self._ledger.device_of(snapshot.id))])
        failpoint("lvm-direct.describe-snapshot.written")
        return snapshot

    def delete(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away, also those that have lost their bytes; raise SnapshotNotFound before anything is gone."""
        going = list(dict.fromkeys(ids))
        for id_ in going:
            if not self._ledger.index.has_snapshot(id_):
                self._ledger.index.snapshot(id_)
        if going:
            self._ledger.remove(going)
            failpoint("lvm-direct.delete-snapshots.written")
            self._removal.finish()

    def _refuse_taken(self, news: Sequence[NewSnapshot]) -> None:
        seen: set[SnapshotId] = set()
        for new in news:
            if new.id in seen or self._ledger.index.has_snapshot(new.id):
                raise SnapshotExists(f"a snapshot named {new.name!r} is in this pool already")
            seen.add(new.id)

    def _source(self, id: VolumeId) -> _Source:
        volume = self._ledger.index.volume(id)
        return _Source(volume, self._ledger.device_of(id), self._devices.look(self._id, id))

    def _cut(self, sources: Mapping[VolumeId, _Source], targets: Sequence[tuple[NewSnapshot, int]]) -> float:
        """Make every thin device at one instant; give for how long writers were held up, in seconds."""

        def make() -> None:
            failpoint("lvm-direct.cut.suspended")
            for new, device in targets:
                self._pool.create_snap(device, sources[new.volume].device)
                failpoint("lvm-direct.cut.made")

        attached = [source.shown.name for source in sources.values() if source.shown is not None]
        return round(self._suspender.cut(attached, make), 6)


def _snapshot(new: NewSnapshot, source: _Source, window: float, now: dt.datetime) -> Snapshot:
    return Snapshot(
        id=new.id,
        name=new.name,
        volume=source.volume.id,
        size=source.volume.size,
        filesystem=source.volume.filesystem,
        formatted=source.volume.formatted,
        created_at=now,
        group=new.group,
        consistency=source.consistency,
        freeze_window_seconds=window,
        labels=dict(new.labels) or no_labels(),
    )
