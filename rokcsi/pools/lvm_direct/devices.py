"""The block devices through which the pool's thin devices are seen: of volumes as long as they are attached, and of the journal.

Called by the pool. They are the device mapper's own, so they live on when the driver dies;
what the kernel says is asked each time and never remembered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import PoolId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.system.device_mapper import DeviceMapper, MappedDevice
from rokcsi.system.dm_ioctl import ListedDevice, Target
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.thin_pool import SECTOR

_OURS = "rokcsi-"
_JOURNAL = f"{_OURS}journal-of-"

declare("lvm-direct.attach.attached", "lvm-direct.detach.detached")


class Devices:
    """The devices over one thin pool; calls for one volume come one after the other."""

    def __init__(self, mapper: DeviceMapper, pool: MappedDevice) -> None:
        self._mapper = mapper
        self._pool = f"{os.major(pool.device)}:{os.minor(pool.device)}"
        self._journal = f"{_JOURNAL}{self._pool}"

    def all(self) -> list[ListedDevice]:
        """Give all devices that lie on this pool and are ours by name."""
        found = self._mapper.devices(_OURS)
        return [device for device in found if self._device_behind(device.name) is not None]

    def journal(self, size: int) -> Path:
        """Give the block device of the journal, thin device 0."""
        found = self._mapper.look(self._journal)
        return (found or self._mapper.add(self._journal, "", self._table(0, size))).node

    def remove_journal(self) -> None:
        """Take the block device of the journal away."""
        self._mapper.remove(self._journal)

    def is_journal(self, name: str) -> bool:
        """Tell whether a device is the journal's."""
        return name == self._journal

    def look(self, pool: PoolId, id: VolumeId) -> MappedDevice | None:
        """Give a volume's block device, None when it is not attached."""
        return self._mapper.look(name_of(pool, id))

    def attach(self, pool: PoolId, id: VolumeId, device: int, size: Bytes) -> Path:
        """Give the block device of a volume, the same one as long as it is attached."""
        name = name_of(pool, id)
        found = self._mapper.look(name)
        if found is None:
            found = self._mapper.add(name, f"ROKCSI-{pool}-{id}", self._table(device, size))
            failpoint("lvm-direct.attach.attached")
        elif not found.live:
            # Whoever made it was killed before it had a table; it never was anybody's.
            self._mapper.remove(name)
            return self.attach(pool, id, device, size)
        return found.node

    def detach(self, pool: PoolId, id: VolumeId) -> None:
        """Take a volume's block device away, if it has one; raise StillInUse."""
        if self.look(pool, id) is not None:
            self._mapper.remove(name_of(pool, id))
            failpoint("lvm-direct.detach.detached")

    def show_size(self, pool: PoolId, id: VolumeId, device: int, size: Bytes) -> None:
        """Let the block device of an attached volume be as large as the volume has become."""
        name, table = name_of(pool, id), self._table(device, size)
        if self.look(pool, id) is not None and self._mapper.table(name) != table:
            self._mapper.exchange(name, table)

    def mapped(self, pool: PoolId, device: int, size: Bytes) -> Bytes:
        """Tell how many bytes of a thin device have been written, shared ones included."""
        with self._shown(f"{_OURS}{pool}-look-{device}", device, size) as name:
            return Bytes(int(self._mapper.status(name)[0].words.split()[0]) * SECTOR)

    def mapped_while_attached(self, pool: PoolId, id: VolumeId) -> Bytes:
        """Tell how many bytes of an attached volume have been written, shared ones included."""
        return Bytes(int(self._mapper.status(name_of(pool, id))[0].words.split()[0]) * SECTOR)

    def is_held(self, name: str) -> bool:
        """Tell whether somebody has a device open or mounted."""
        found = self._mapper.look(name)
        return found is not None and found.open_count > 0

    def remove(self, name: str) -> None:
        """Take any of our devices away; raise StillInUse."""
        self._mapper.remove(name)

    @contextmanager
    def _shown(self, name: str, device: int, size: Bytes) -> Iterator[str]:
        self._mapper.add(name, "", self._table(device, size), readonly=True)
        try:
            yield name
        finally:
            with suppress(StillInUse):
                self._mapper.remove(name)

    def _table(self, device: int, size: int) -> list[Target]:
        return [Target(0, size // SECTOR, "thin", f"{self._pool} {device}")]

    def _device_behind(self, name: str) -> int | None:
        targets = self._mapper.table(name)
        words = targets[0].words.split() if len(targets) == 1 and targets[0].kind == "thin" else []
        return int(words[1]) if words[:1] == [self._pool] else None


def name_of(pool: PoolId, id: VolumeId) -> str:
    """Give the name of a volume's block device, as `dmsetup ls` shows it."""
    return f"{_OURS}{pool}-{id}"
