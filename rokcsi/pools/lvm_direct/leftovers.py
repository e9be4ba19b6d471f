"""What a crash, or a stranger, has left in the pool, and how it is taken away.

Called by the pool for `rokcsi doctor`. Thin devices without a record are never removed here,
since they may hold somebody's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import PoolId, VolumeId
from rokcsi.model.pool import Leftover
from rokcsi.pools.lvm_direct.devices import Devices, name_of
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.system.thin_pool import ThinPool

_MAPPER = Path("/dev/mapper")


class Leftovers:
    """Finds what nobody owns in a pool."""

    def __init__(self, id: PoolId, pool: ThinPool, devices: Devices, ledger: Ledger) -> None:
        self._id = id
        self._pool = pool
        self._devices = devices
        self._ledger = ledger

    def find(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        return [*self._unknown_thin_devices(), *self._damaged(), *self._idle_devices()]

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, if it is still one; raise StillInUse when it is not any more, or may hold somebody's bytes."""
        if not leftover.clearable:
            raise StillInUse(f"{leftover.where} is not removed: {leftover.why}")
        if leftover not in self.find():
            raise StillInUse(f"{leftover.where} is no leftover any more; look again")
        self._devices.remove(leftover.where.name)

    def _unknown_thin_devices(self) -> Iterator[Leftover]:
        known = {0, *self._ledger.devices().values(), *self._ledger.going(), *self._ledger.lease()}
        for device in devices_in(self._pool):
            if device.id not in known:
                where = _MAPPER / self._pool.name / str(device.id)
                yield Leftover("thin device", where, "it has no record in our journal", clearable=False)

    def _damaged(self) -> Iterator[Leftover]:
        index = self._ledger.index
        for id_, why in (*index.damaged_volumes.items(), *index.damaged_snapshots.items()):
            kind = "damaged volume" if isinstance(id_, VolumeId) else "damaged snapshot"
            yield Leftover(kind, _MAPPER / self._pool.name / id_, why, clearable=False)

    def _idle_devices(self) -> Iterator[Leftover]:
        volumes = {name_of(self._id, volume.id): volume for volume in self._ledger.index.volumes()}
        for device in self._devices.all():
            if self._devices.is_journal(device.name) or self._devices.is_held(device.name):
                continue
            volume = volumes.get(device.name)
            why = (
                "it belongs to no volume"
                if volume is None
                else f"the volume {volume.name!r} is attached, and neither mounted nor published"
            )
            yield Leftover("device", _MAPPER / device.name, why)
