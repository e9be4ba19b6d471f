"""Volumes as thin logical volumes: made, cloned, grown, described, taken away.

Called by the pool. One LVM command makes a volume with all that is to be said of it: a crash
leaves the whole volume, or something that opening the pool removes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from rokcsi.model.errors import SizeOutOfRange, SourceTooLarge, VolumeExists
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume, Volume, no_labels
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.attachments import Attachments
from rokcsi.pools.lvm.attempts import Attempts
from rokcsi.pools.lvm.footprints import Footprints
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.records import StoredVolume, record_tags_in, volume_tags
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.lvm import Lvm, NewThinVolume
from rokcsi.system.lvm_refusals import LvmRefused, Reason

declare("lvm.create.made", "lvm.clone.made", "lvm.clone.extended", "lvm.grow.extended")
declare("lvm.describe.tagged", "lvm.delete.removed")

LARGEST = Bytes(1 << 50)


@dataclasses.dataclass(frozen=True, slots=True)
class ThinVolumes:
    """The logical volumes of a pool's volumes; the inventory follows them."""

    access: PoolAccess
    inventory: Inventory
    attachments: Attachments
    footprints: Footprints
    attempts: Attempts
    unit: Bytes

    def create(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull."""
        self._refuse_taken(new)
        self._refuse_impossible(new.size)
        stored = _stored(new, formatted=False)
        asked = NewThinVolume(name_of(new.id), stored.tags)

        def make(lvm: Lvm) -> None:
            lvm.create(asked, new.size, self.access.pool)
            failpoint("lvm.create.made")

        self._made(stored, make)
        self.footprints.note_empty(new.id)
        return stored.volume

    def clone(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        source = self.inventory.index.snapshot(id)
        self._refuse_taken(new)
        if new.size < source.size:
            raise SourceTooLarge(
                f"the snapshot is {source.size}, the volume asked for {new.size}; ask for {source.size}"
            )
        self._refuse_impossible(new.size)
        stored = _stored(new, formatted=source.formatted, growing=new.size > source.size)
        asked = NewThinVolume(name_of(new.id), stored.tags)

        def make(lvm: Lvm) -> None:
            lvm.snapshot(asked, name_of(id))
            failpoint("lvm.clone.made")
            if new.size > source.size:
                lvm.extend(asked.name, new.size)
                failpoint("lvm.clone.extended")

        self._made(stored, make)
        self.footprints.note_copy(new.id, id)
        return stored.volume

    def grow(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume and its block device larger; raise VolumeNotFound, SizeOutOfRange, PoolFull."""
        volume = self.inventory.index.volume(id)
        if size < volume.size:
            raise SizeOutOfRange(f"the volume has {volume.size} and never shrinks to {size}")
        self._refuse_impossible(size)
        if size == volume.size:
            return volume
        with self.access.commanding(f"grow a volume to {size}") as lvm:
            try:
                lvm.extend(name_of(id), size)
            except LvmRefused as refused:
                if refused.reason is not Reason.SAME_SIZE:
                    raise
                # A command that failed has written it down; the device may not know it yet.
                self.attachments.refresh(lvm, id, size)
            failpoint("lvm.grow.extended")
        return self._keep(dataclasses.replace(volume, size=size), self.inventory.tags(id))

    def describe(self, volume: Volume) -> Volume:
        """Write down what a volume has become; raise PoolFull, Damaged."""
        old, new = record_tags_in(self.inventory.tags(volume.id)), volume_tags(volume)
        with self.access.commanding("describe the volume") as lvm:
            lvm.retag(
                [name_of(volume.id)],
                add=[tag for tag in new if tag not in old],
                remove=[tag for tag in old if tag not in new],
            )
            failpoint("lvm.describe.tagged")
        return self._keep(volume, new)

    def delete(self, id: VolumeId) -> None:
        """Take a volume away; raise VolumeNotFound, StillInUse."""
        self.inventory.index.volume(id)
        self.attachments.refuse_held(id)
        with self.access.commanding("delete a volume") as lvm:
            try:
                lvm.remove_if_there([name_of(id)])
            except LvmRefused:
                # A pool whose metadata is full forgets it, and frees its space when it has room to work again.
                if lvm.report().volume(name_of(id)) is not None:
                    raise
            failpoint("lvm.delete.removed")
        self.inventory.drop_volume(id)
        self.footprints.forget(id)

    def _keep(self, volume: Volume, tags: tuple[str, ...]) -> Volume:
        self.inventory.put_volume(StoredVolume(volume, tags))
        return volume

    def _made(self, stored: StoredVolume, make: Callable[[Lvm], None]) -> None:
        with (
            self.access.commanding(f"make a volume of {stored.volume.size}") as lvm,
            self.attempts.attempt(lvm) as begun,
        ):
            begun.append(name_of(stored.volume.id))
            make(lvm)
        self.inventory.put_volume(stored)

    def _refuse_taken(self, new: NewVolume) -> None:
        if self.inventory.index.has_volume(new.id):
            raise VolumeExists(f"a volume named {new.name!r} is in this pool already")

    def _refuse_impossible(self, size: Bytes) -> None:
        if size > LARGEST:
            raise SizeOutOfRange(f"this pool makes no volume larger than {LARGEST}; ask for less than {size}")
        if size == 0 or size % self.unit:
            raise SizeOutOfRange(f"a volume's size is a multiple of {self.unit} here, not {int(size)} bytes")


def _stored(new: NewVolume, *, formatted: bool, growing: bool = False) -> StoredVolume:
    volume = Volume(
        id=new.id,
        name=new.name,
        size=new.size,
        filesystem=new.filesystem,
        formatted=formatted,
        source=new.source,
        created_at=dt.datetime.now(dt.UTC),
        labels=dict(new.labels) or no_labels(),
    )
    return StoredVolume(volume, volume_tags(volume, growing=growing))
