"""Block devices: a logical volume is activated for as long as somebody uses it, and for no other reason.

Called by the pool. The device is the kernel's own node, /dev/dm-N, which is there as soon as
the device is: nobody waits for udev. Whether a volume is attached is asked of the kernel
each time, and starts no process.
"""

from __future__ import annotations

import time
from pathlib import Path

from rokcsi.model.errors import Damaged, StillInUse
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.footprints import Footprints
from rokcsi.pools.lvm.names import name_of
from rokcsi.system.block_devices import is_claimed
from rokcsi.system.device_mapper import MappedDevice
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.lvm import Lvm
from rokcsi.system.thin_pool import SECTOR

declare("lvm.attach.activated", "lvm.detach.deactivated")

# udev opens every device that changes, or was written to, for a moment, and claims none.
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.01


class Attachments:
    """The devices of a pool's volumes; calls for one volume come one after the other."""

    def __init__(self, access: PoolAccess, footprints: Footprints) -> None:
        self._access = access
        self._footprints = footprints

    def attached(self, id: VolumeId) -> Path | None:
        """Give a volume's block device, None when it has none now."""
        device = self._access.device(id)
        return None if device is None else device.node

    def attach(self, id: VolumeId) -> Path:
        """Give a volume's block device, the same one as long as it is attached; raise Damaged."""
        device = self._access.device(id)
        if device is None:
            with self._access.commanding("attach a volume", lasting=False) as lvm:
                lvm.activate(name_of(id))
            failpoint("lvm.attach.activated")
            device = self._access.device(id)
        return _usable(device, name_of(id)).node

    def detach(self, id: VolumeId) -> None:
        """Take a volume's block device away, if it has one; raise StillInUse."""
        if self._access.device(id) is None:
            return
        self.refuse_held(id)
        self._footprints.note(id)
        with self._access.commanding("detach a volume", lasting=False) as lvm:
            lvm.deactivate(name_of(id))
        failpoint("lvm.detach.deactivated")

    def refresh(self, lvm: Lvm, id: VolumeId, size: Bytes) -> None:
        """Make a volume's device as large as its logical volume, if it has one that is smaller; the caller has LVM's turn."""
        if self._access.device(id) is not None:
            [target] = self._access.mapper.table(self._access.mapped(id))
            if target.length * SECTOR < size:
                lvm.refresh(name_of(id))

    def refuse_held(self, id: VolumeId) -> None:
        """Raise StillInUse when somebody has the volume's device open, or mounted in any mount namespace."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while (device := self._access.device(id)) is not None and device.open_count:
            if time.monotonic() > until or _is_claimed(device):
                raise StillInUse(
                    f"{device.node} is held: unmount the volume {id}, or close what has its device open, and try again"
                )
            time.sleep(_PAUSE_SECONDS)


def _is_claimed(device: MappedDevice) -> bool:
    try:
        return is_claimed(device.node)
    except OSError:  # gone since, or being changed: the next look tells
        return False


def _usable(device: MappedDevice | None, name: str) -> MappedDevice:
    if device is None:
        raise Damaged(
            f"LVM did not activate {name}, and says no reason: does activation/volume_list in lvm.conf leave it out?"
        )
    if device.readonly:
        raise Damaged(
            f"LVM activated {name} for readers only: does activation/read_only_volume_list in lvm.conf name it?"
        )
    return device
