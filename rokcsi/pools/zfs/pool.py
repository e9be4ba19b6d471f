"""The ZFS pool: opened on a dataset, and from then on a `Pool` like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Leftover, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume, no_labels
from rokcsi.pools.index import Index
from rokcsi.pools.indexed import IndexedPool
from rokcsi.pools.zfs.attachments import Attachments
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.cutting import Cutting
from rokcsi.pools.zfs.growing import Growing
from rokcsi.pools.zfs.home import Home
from rokcsi.pools.zfs.leftovers import Leftovers
from rokcsi.pools.zfs.making import ALLOCATION_UNIT, Making
from rokcsi.pools.zfs.names import Names
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.reading import Reader
from rokcsi.pools.zfs.records import LABEL_BYTES
from rokcsi.pools.zfs.room import Room
from rokcsi.pools.zfs.starting import start
from rokcsi.pools.zfs.store import Store, explained, program
from rokcsi.system.freezing import Freezer

_TRAITS = Traits(
    allocation_unit=ALLOCATION_UNIT,
    formats_volumes=False,
    raw_snapshots_together=True,
    tunable=frozenset({"block_size", "compression"}),
    label_bytes=LABEL_BYTES,
)
_FEATURES, _MEASURE = program("features"), program("measure")


class ZfsPool(IndexedPool):
    """A pool below a ZFS dataset; `open` makes one. Satisfies `Pool` and `FindsLeftovers`."""

    def __init__(self, home: Home, freezer: Freezer, held: ExitStack, *, reserve: bool) -> None:
        self._home = home
        self._held = held
        self._index = Index()
        self._places = Places(Names(home.dataset))
        self._reader = Reader(self._index, self._places)
        self._store = Store(home.pool, home.runner)
        held.callback(self._store.close)
        self._attachments = Attachments(self._index, self._places)
        with explained("open the pool", home.pool):
            clones = self._store.run(_FEATURES, []).clones
        parts = Parts(self._store, self._index, self._places, self._attachments, reserve, clones)
        self._burial = Burial(parts)
        self._making = Making(parts, self._burial)
        self._growing = Growing(parts, freezer)
        self._cutting = Cutting(parts, self._burial, freezer)
        start(parts, home.last_opened, self._burial, freezer)
        self._leftovers = Leftovers(parts, home.last_opened, self._burial)
        self._room = Room(home.dataset, self._store.zfs, self._places)
        held.callback(self._room.close)

    @classmethod
    def open(cls, dataset: str, *, freezer: Freezer, reserve: bool = False) -> ZfsPool:
        """Open the pool below a dataset that `rokcsi pool create` has made; what a crash left frozen is thawed first.

        With `reserve`, the whole size of each new volume is set aside for it. Raises RecordNotFound,
        PoolAway, PoolTaken, NotSupported, PoolFull, Damaged.
        """
        with ExitStack() as held:
            home = Home(dataset)
            held.callback(home.release)
            pool = cls(home, freezer, held, reserve=reserve)
            pool._held = held.pop_all()
        return pool

    @property
    def id(self) -> PoolId:
        """The pool's identity, kept with its dataset."""
        return self._home.id

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""
        return f"zfs:{self._home.dataset}"

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return _TRAITS

    def capacity(self) -> Capacity:
        """How much room there is now; no program is started unless the last look is some time ago."""
        self._settle_working()
        return self._room.capacity(ALLOCATION_UNIT, self._index.promised)

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull, PoolAway."""
        self._settle_working()
        return self._making.create(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        self._settle_working()
        return self._making.clone(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger, attached or not; raise VolumeNotFound, SizeOutOfRange, PoolFull, Busy."""
        self._settle_working()
        return self._growing.grow(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._settle_working()
        self._burial.volume(id)

    def attach(self, id: VolumeId) -> Path:
        """Give the device of the volume as soon as it is there; raise VolumeNotFound."""
        self._settle_working()
        return self._attachments.attach(id)

    def detach(self, id: VolumeId) -> None:
        """Make sure that nobody has the device any more; raise VolumeNotFound, StillInUse."""
        self._settle_working()
        self._attachments.detach(id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the device of the volume, None when there is none now; raise PoolAway: looking at it would wait for ever."""
        self._store.refuse_away()
        return self._attachments.device_of(id)

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Give this pool, which takes no locks."""
        _ = id
        return nullcontext(self)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none; raise VolumeNotFound, SnapshotExists, PoolFull, Busy.

        ZFS aligns them whatever `aligned` says.
        """
        _ = aligned
        self._settle_working()
        return self._cutting.take(news) if news else []

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away, all or none; raise SnapshotNotFound before anything is gone."""
        self._settle_working()
        self._burial.snapshots(ids)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's (an empty value removes one); raise VolumeNotFound."""
        volume = self.volume(id)
        return self._making.describe_volume(dataclasses.replace(volume, labels=_merged(volume.labels, labels)))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's (an empty value removes one); raise SnapshotNotFound."""
        snapshot = self.snapshot(id)
        return self._making.describe_snapshot(dataclasses.replace(snapshot, labels=_merged(snapshot.labels, labels)))

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""
        volume = self.volume(id)
        return volume if volume.formatted else self._making.describe_volume(dataclasses.replace(volume, formatted=True))

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot refers to, as if in one piece; raise VolumeNotFound or SnapshotNotFound."""
        self._store.refuse_away()
        if isinstance(id, VolumeId):
            name = self._places.volume(self.volume(id).id)
        else:
            name = self._places.snapshot(self.snapshot(id).id)
        referenced = self._store.run(_MEASURE, [name]).referenced.get(name)
        if referenced is None:
            raise Damaged(f"{name} is not there any more; somebody else has removed it")
        return Footprint(Bytes(referenced), extents=1 if referenced else 0)

    def leftovers(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        self._settle_working()
        return self._leftovers.find()

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them; raise StillInUse when it is not one any more."""
        self._settle_working()
        self._leftovers.clear(leftover)

    def close(self) -> None:
        """Give the dataset back; volumes in use stay in use."""
        self._held.close()

    def _settle_working(self) -> None:
        """Settle what is in doubt; raise PoolAway where the ZFS pool has stopped: whoever opens a device of it hangs."""
        self._store.refuse_away()
        self._settle()

    def _settle(self) -> None:
        self._cutting.settle()
        self._store.settle(self._reader.take_again)


def _merged(old: Labels, new: Labels) -> Labels:
    return {key: value for key, value in {**old, **new}.items() if value} or no_labels()
