"""Volumes as thin devices: made, cloned, grown, described, taken away.

Called by the pool. The thin device comes first and its entry second, and one flush makes
both durable; when a volume goes its entry goes first. So a crash leaves the whole volume, or
a device without an entry, which the next start removes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from rokcsi.model.errors import SizeOutOfRange, SourceTooLarge, VolumeExists
from rokcsi.model.ids import PoolId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume, Volume, no_labels
from rokcsi.pools.lvm_direct.devices import Devices
from rokcsi.pools.lvm_direct.entries import Entry
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.pools.lvm_direct.removal import Removal
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.thin_pool import ThinPool

ALLOCATION_UNIT = Bytes(4096)
LARGEST = Bytes(1 << 50)

declare(*(f"lvm-direct.{deed}.{boundary}" for deed in ("create", "clone") for boundary in ("made", "written")))
declare("lvm-direct.grow.written", "lvm-direct.grow.shown")
declare("lvm-direct.describe.written", "lvm-direct.delete.detached", "lvm-direct.delete.written")


class Volumes:
    """The volumes of a pool; the ledger follows."""

    def __init__(self, id: PoolId, pool: ThinPool, devices: Devices, ledger: Ledger, removal: Removal) -> None:
        self._id = id
        self._pool = pool
        self._devices = devices
        self._ledger = ledger
        self._removal = removal

    def create(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise VolumeExists, SizeOutOfRange, PoolFull."""
        self._refuse_taken(new)
        _refuse_impossible(new.size)
        return self._made(_volume(new, formatted=False), "create", self._pool.create_thin)

    def clone(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise SnapshotNotFound, VolumeExists, SourceTooLarge, PoolFull."""
        source = self._ledger.index.snapshot(id)
        self._refuse_taken(new)
        if new.size < source.size:
            raise SourceTooLarge(
                f"the snapshot is {source.size}, the volume asked for {new.size}; ask for {source.size}"
            )
        _refuse_impossible(new.size)
        origin = self._ledger.device_of(id)
        volume = _volume(new, formatted=source.formatted)
        return self._made(volume, "clone", lambda device: self._pool.create_snap(device, origin))

    def grow(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume and its block device larger; raise VolumeNotFound, SizeOutOfRange."""
        volume = self._ledger.index.volume(id)
        if size < volume.size:
            raise SizeOutOfRange(f"the volume has {volume.size} and never shrinks to {size}")
        _refuse_impossible(size)
        grown = self.describe(dataclasses.replace(volume, size=size))
        failpoint("lvm-direct.grow.written")
        self._devices.show_size(self._id, id, self._ledger.device_of(id), size)
        failpoint("lvm-direct.grow.shown")
        return grown

    def describe(self, volume: Volume) -> Volume:
        """Write down what a volume has become; raise SystemCallFailed."""
        self._ledger.put([Entry(volume, self._ledger.device_of(volume.id))])
        failpoint("lvm-direct.describe.written")
        return volume

    def delete(self, id: VolumeId) -> None:
        """Take a volume away, also one that has lost its bytes; raise VolumeNotFound, StillInUse."""
        if not self._ledger.index.has_volume(id):
            self._ledger.index.volume(id)
        self._devices.detach(self._id, id)
        failpoint("lvm-direct.delete.detached")
        self._ledger.remove([id])
        failpoint("lvm-direct.delete.written")
        self._removal.finish()

    def _refuse_taken(self, new: NewVolume) -> None:
        if self._ledger.index.has_volume(new.id):
            raise VolumeExists(f"a volume named {new.name!r} is in this pool already")

    def _made(self, volume: Volume, deed: str, make: Callable[[int], None]) -> Volume:
        [device] = self._ledger.take_devices(1)
        try:
            make(device)
            failpoint(f"lvm-direct.{deed}.made")
            self._ledger.put([Entry(volume, device)])
        except BaseException:
            self._removal.undo([device])
            raise
        failpoint(f"lvm-direct.{deed}.written")
        return volume


def _volume(new: NewVolume, *, formatted: bool) -> Volume:
    return Volume(
        id=new.id,
        name=new.name,
        size=new.size,
        filesystem=new.filesystem,
        formatted=formatted,
        source=new.source,
        created_at=dt.datetime.now(dt.UTC),
        labels=dict(new.labels) or no_labels(),
    )


def _refuse_impossible(size: Bytes) -> None:
    if size > LARGEST:
        raise SizeOutOfRange(f"this pool makes no volume larger than {LARGEST}; ask for less than {size}")
    if size == 0 or size % ALLOCATION_UNIT:
        raise SizeOutOfRange(f"a volume's size is a multiple of {ALLOCATION_UNIT} here, not {int(size)} bytes")
