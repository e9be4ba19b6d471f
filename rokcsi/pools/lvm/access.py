"""How the pool is spoken to: LVM's commands, one at a time, and the kernel's device mapper.

Held by every other class of this folder.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rokcsi.model.errors import DidNotEnd, SystemCallFailed, Unavailable
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.refused import refusals
from rokcsi.system.block_devices import flush
from rokcsi.system.device_mapper import DeviceMapper, MappedDevice
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.lvm import Lvm, mapped_name
from rokcsi.system.suspending import resume_left_suspended
from rokcsi.system.thin_pool import ThinPool

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolAccess:
    """A thin pool of a volume group."""

    group: str
    pool: str
    mapper: DeviceMapper
    lvm: Lvm
    locks: KeyedLocks

    @contextmanager
    def commanding(self, deed: str, *, lasting: bool = True) -> Iterator[Lvm]:
        """Give LVM when its turn comes: it changes one thing of a volume group at a time, so that more would only wait there.

        What is `lasting` is durable at the end: LVM writes down what it does, and flushes no disk. What it refuses is
        raised as in `refusals`; LockTimeout, Busy and CallerGone with nothing done. What a command that had to be
        killed has left suspended is resumed.
        """
        with self.locks.held([f"lvm {self.group}"]), refusals(deed):
            try:
                yield self.lvm
            except DidNotEnd:
                self.resume_all()
                raise
            if lasting:
                self._flush()

    def resume_all(self) -> None:
        """Resume what a killed command has left suspended: growing a volume stops the pool's own devices too."""
        volumes = [device.name for device in self.mapper.devices(mapped_name(self.group, "v-"))]
        for name in resume_left_suspended(self.mapper, [*self._layers(), *self._pool_names(), *volumes]):
            _log.warning("%s was left suspended, and is resumed now", name)

    def _flush(self) -> None:
        """Flush the disks that the pool lies on, where the group's metadata lies too; raise SystemCallFailed."""
        shown = [device for layer in self._layers() if (device := self.mapper.look(layer)) is not None]
        once = {frozenset(self.mapper.dependencies(device.name)): device.node for device in shown}
        for node in once.values():
            try:
                flush(node)
            except OSError as error:
                raise SystemCallFailed(f"{node} could not be flushed: {error.strerror}; `dmesg` may say why") from error

    def mapped(self, id: VolumeId | SnapshotId) -> str:
        """Give the name of a volume's device, which is there while it is active."""
        return mapped_name(self.group, name_of(id))

    def device(self, id: VolumeId | SnapshotId) -> MappedDevice | None:
        """Give a volume's device as it is now, None while it has none; no process is started."""
        device = self.mapper.look(self.mapped(id))
        return device if device is not None and device.live else None

    def kernel_pool(self) -> ThinPool:
        """Give the pool as the kernel has it; raise Unavailable while it is not active."""
        for name in self._pool_names():
            if self.mapper.look(name) is not None:
                return ThinPool(self.mapper, name)
        raise Unavailable(
            f"the thin pool {self.group}/{self.pool} is not active; activate it: lvchange -ay {self.group}/{self.pool}"
        )

    def _pool_names(self) -> tuple[str, str]:
        # LVM shows a pool that never had a thin volume by its own name, and puts a layer over one that had.
        return mapped_name(self.group, self.pool, "tpool"), mapped_name(self.group, self.pool)

    def _layers(self) -> list[str]:
        return [mapped_name(self.group, f"{self.pool}_{layer}") for layer in ("tdata", "tmeta")]
