"""Volumes made larger, mounted or not.

Called by the pool. When the size of a volume has changed, ZFS says of its block device that the
medium is another one, and the kernel believes it as soon as somebody opens the device: it drops
what it has in memory of the mounted file system, what was not written out yet too. Files that
were closed a moment ago would be empty afterwards. So nothing is dirty between the change and
the first opening, which is ours.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rokcsi.model.errors import SizeOutOfRange
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import Volume
from rokcsi.pools.zfs.making import refuse_impossible
from rokcsi.pools.zfs.parts import Parts
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.freezing import Freezer
from rokcsi.system.linking import flush_every_filesystem
from rokcsi.system.watchdog import FrozenPoint
from rokcsi.system.zvols import is_claimed, number_of, shown_by

_FROZEN_SECONDS = 10.0

declare("zfs.grow.frozen", "zfs.grow.grown", "zfs.grow.seen")


class Growing:
    """Makes a pool's volumes larger; the index follows."""

    def __init__(self, parts: Parts, freezer: Freezer) -> None:
        self._store = parts.store
        self._index = parts.index
        self._places = parts.places
        self._attachments = parts.attachments
        self._freezer = freezer

    def grow(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume and its block device larger; raise VolumeNotFound, SizeOutOfRange, PoolFull, Busy."""
        volume = self._index.volume(id)
        if size < volume.size:
            raise SizeOutOfRange(f"the volume has {volume.size} and never shrinks to {size}")
        refuse_impossible(size)
        if size == volume.size:
            return volume
        dataset = self._places.volume(id)
        with self._store.changing(f"grow a volume to {size}", [dataset]):
            self._grow(dataset, size, self._attachments.device_of(id))
        grown = dataclasses.replace(volume, size=size)
        self._index.put_volume(grown)
        return grown

    def _grow(self, dataset: str, size: Bytes, device: Path | None) -> None:
        def deed() -> None:
            failpoint("zfs.grow.frozen")
            self._store.zfs.set_properties(dataset, {"volsize": str(int(size))})
            failpoint("zfs.grow.grown")
            if device is not None:
                shown_by(device)  # opens it
            failpoint("zfs.grow.seen")

        points = self._points(device)
        if not points and device is not None and is_claimed(device):
            flush_every_filesystem()  # its own is mounted where we cannot see and freeze it
        self._freezer.cut_together(points, deed, limit_seconds=_FROZEN_SECONDS)

    def _points(self, device: Path | None) -> list[FrozenPoint]:
        number = None if device is None else number_of(device)
        point = None if number is None else self._freezer.point_of(number)
        return [] if number is None or point is None else [FrozenPoint(number, point)]
