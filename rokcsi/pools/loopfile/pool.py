"""The embedded pool: opened on a folder, and from then on a `Pool` like any other."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Leftover, Pool, Traits
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume, no_labels
from rokcsi.pools.index import Index
from rokcsi.pools.indexed import IndexedPool
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.batches import Batches
from rokcsi.pools.loopfile.cutting import Cutting
from rokcsi.pools.loopfile.disk import Disk, on_disk, opened
from rokcsi.pools.loopfile.extents import count_extents
from rokcsi.pools.loopfile.folder import LockedFolder, shares_blocks
from rokcsi.pools.loopfile.image import PoolImage
from rokcsi.pools.loopfile.leftovers import Leftovers
from rokcsi.pools.loopfile.reading import read_pool
from rokcsi.pools.loopfile.templates import Templates
from rokcsi.pools.loopfile.volume_files import ALLOCATION_UNIT, VolumeFiles
from rokcsi.system.command import HostRunner, Runner
from rokcsi.system.freezing import Freezer
from rokcsi.system.locks import KeyedLocks

_TRAITS = Traits(
    allocation_unit=ALLOCATION_UNIT, formats_volumes=True, raw_snapshots_together=False, copies_by_extent=True
)


class LoopFilePool(IndexedPool):
    """A pool in a folder; `open` makes one. Satisfies `Pool` and `FindsLeftovers`."""

    def __init__(
        self,
        folder: LockedFolder,
        image: PoolImage | None,
        disk: Disk,
        freezer: Freezer,
        runner: Runner,
        locks: KeyedLocks,
    ) -> None:
        self._folder = folder
        self._image = image
        self._disk = disk
        self._index = Index()
        batches = Batches(self._index)
        self._attachments = Attachments(disk)
        self._cutting = Cutting(disk, self._index, batches, self._attachments, freezer)
        self._files = VolumeFiles(disk, self._index, self._attachments, Templates(disk, runner, locks))
        self._leftovers = Leftovers(disk, self._index, self._attachments, freezer)
        read_pool(disk, self._index, batches, self._attachments, freezer)
        self._cutting.discard_incomplete()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        freezer: Freezer,
        runner: Runner | None = None,
        image_size: Bytes | None = None,
        locks: KeyedLocks | None = None,
    ) -> LoopFilePool:
        """Open the pool in a folder, or make one there; file systems that a crash left frozen are thawed first.

        `image_size` is for a new pool on a host without reflinks: the size of the XFS image in
        bytes, nine tenths of the host's free space by default. `locks` are for waiting until a
        template is made. Raises PoolTaken, InvalidRequest, NotSupported, PoolFull,
        SizeOutOfRange, Damaged.
        """
        runner, locks = runner or HostRunner(), locks or KeyedLocks()
        locked = LockedFolder(folder)
        try:
            image = PoolImage(folder)
            with on_disk(f"look at {folder}"):
                # A pool that is full cannot be written to, so one that is there already is not tried out.
                in_image = image.exists() or not ((folder / "volumes").is_dir() or shares_blocks(folder))
            if not in_image:
                return cls(locked, None, Disk.prepared(folder), freezer, runner, locks)
            with image.mounted(runner, image_size):
                return cls(locked, image, Disk.prepared(image.root), freezer, runner, locks)
        except BaseException:
            locked.release()
            raise

    @property
    def id(self) -> PoolId:
        """The pool's identity, kept in its folder."""
        return self._folder.id

    @property
    def name(self) -> str:
        """What people call it: the specification it was opened with."""
        return f"loopfile:{self._folder.path}"

    @property
    def traits(self) -> Traits:
        """In what this pool differs from others."""
        return _TRAITS

    def capacity(self) -> Capacity:
        """How much room there is now; an image has no more than its host has left."""
        with on_disk("ask for the pool's capacity"):
            store, host = os.statvfs(self._disk.root), os.statvfs(self._folder.path)
        used = (store.f_blocks - store.f_bfree) * store.f_frsize
        free = min(store.f_bavail * store.f_frsize, host.f_bavail * host.f_frsize)
        return Capacity(
            Bytes(used + free),
            Bytes(used),
            Bytes(self._index.promised),
            Bytes(free // ALLOCATION_UNIT * ALLOCATION_UNIT),
        )

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume, formatted; raise VolumeExists, SizeOutOfRange, NotSupported, PoolFull."""
        return self._files.create(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        return self._files.clone(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger, attached or not; raise VolumeNotFound, SizeOutOfRange, PoolFull."""
        return self._files.grow(id, size)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self._files.delete(id)

    def attach(self, id: VolumeId) -> Path:
        """Give the loop device over the volume's file; raise VolumeNotFound."""
        self._index.volume(id)
        return self._attachments.attach(id)

    def detach(self, id: VolumeId) -> None:
        """Take the loop device away; nothing happens when there is none. Raises VolumeNotFound, StillInUse."""
        self._index.volume(id)
        self._attachments.detach(id)

    def attached(self, id: VolumeId) -> Path | None:
        """Give the loop device over the volume's file, None when there is none now."""
        loop = self._attachments.loop_of(id)
        return None if loop is None else loop.path

    def holding(self, id: VolumeId) -> AbstractContextManager[Pool]:
        """Give this pool, which takes no locks."""
        _ = id
        return nullcontext(self)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none; raise VolumeNotFound, SnapshotExists, PoolFull, NotSupported, Busy."""
        return self._cutting.take(news, aligned=aligned) if news else []

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away with one flush; raise SnapshotNotFound before anything is gone."""
        self._cutting.delete(ids)

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's (an empty value removes one); raise VolumeNotFound."""
        volume = self._index.volume(id)
        return self._files.describe(dataclasses.replace(volume, labels=_merged(volume.labels, labels)))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's (an empty value removes one); raise SnapshotNotFound."""
        snapshot = self._index.snapshot(id)
        return self._cutting.describe(dataclasses.replace(snapshot, labels=_merged(snapshot.labels, labels)))

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume; raise VolumeNotFound."""
        volume = self._index.volume(id)
        return volume if volume.formatted else self._files.describe(dataclasses.replace(volume, formatted=True))

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies; raise VolumeNotFound or SnapshotNotFound."""
        if isinstance(id, VolumeId):
            self._index.volume(id)
        else:
            self._index.snapshot(id)
        path = self._disk.volume(id) if isinstance(id, VolumeId) else self._disk.snapshot(id)
        with on_disk(f"look at {path}"), opened(path) as fd:
            return Footprint(Bytes(os.fstat(fd).st_blocks * 512), count_extents(fd))

    def leftovers(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        return self._leftovers.find()

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them; raise StillInUse when somebody owns it by now."""
        self._leftovers.clear(leftover)

    def close(self) -> None:
        """Give the folder back; volumes in use stay in use, and so does the image below them."""
        try:
            if self._image is not None:
                self._image.unmount()
        finally:
            self._folder.release()


def _merged(old: Labels, new: Labels) -> Labels:
    return {key: value for key, value in {**old, **new}.items() if value} or no_labels()
