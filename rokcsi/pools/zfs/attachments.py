"""Which block device shows which volume. ZFS makes one for every volume, so attaching is finding it, and waiting for it.

Called by the pool. A device is never taken away before its volume: detaching makes sure that nobody has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import VolumeId
from rokcsi.pools.index import Index
from rokcsi.pools.zfs.places import Places
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.zvols import Zvols, is_claimed

_DEVICE_SECONDS = 30.0

declare("zfs.attach.found", "zfs.detach.free")


class Attachments:
    """The devices of a pool's volumes."""

    def __init__(self, index: Index, places: Places) -> None:
        self._index = index
        self._places = places
        self._zvols = Zvols()

    def attach(self, id: VolumeId) -> Path:
        """Give the block device of a volume as soon as it is there; raise VolumeNotFound, SystemCallFailed."""
        self._index.volume(id)
        left = current_deadline().remaining_seconds()
        seconds = _DEVICE_SECONDS if left is None else min(left, _DEVICE_SECONDS)
        device = self._zvols.awaited(self._places.volume(id), seconds)
        failpoint("zfs.attach.found")
        return device

    def device_of(self, id: VolumeId) -> Path | None:
        """Give the block device of a volume; None when it has none (yet), or there is no such volume."""
        dataset = self._places.known_volume(id)
        return None if dataset is None else self.device_showing(dataset)

    def device_showing(self, dataset: str) -> Path | None:
        """Give the block device that shows a dataset; None when there is none (yet)."""
        return self._zvols.find(dataset)

    def claimed(self) -> Mapping[str, Path]:
        """Give the devices that somebody has for himself (a mount, say), by the datasets they show; looks at all devices."""
        return self._zvols.claimed()

    def detach(self, id: VolumeId) -> None:
        """Make sure that nobody has the volume's device; raise VolumeNotFound, StillInUse."""
        self._index.volume(id)
        device = self.device_of(id)
        if device is not None and is_claimed(device):
            raise StillInUse(f"the volume {id} is in use: {device} is mounted, or held by a program; unmount it first")
        failpoint("zfs.detach.free")
