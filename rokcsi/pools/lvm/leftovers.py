"""What a crash, or a stranger, has left in the pool, and how it is taken away.

Called by the pool for `rokcsi doctor`. Nothing here is ever removed unasked, and what has no
tag of ours is never removed at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Leftover
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.attachments import Attachments
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.names import id_in
from rokcsi.pools.lvm.records import is_ours
from rokcsi.system.lvm_reports import GroupReport, LogicalVolume
from rokcsi.system.mounts import read_mountinfo

_VOLUME, _DEVICE = "logical volume", "device"
_HOLD_NODES = frozenset({"devtmpfs", "tmpfs"})


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Finds what nobody owns in a pool."""

    access: PoolAccess
    inventory: Inventory
    attachments: Attachments

    def find(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        with self.access.commanding("look through the pool", lasting=False) as lvm:
            report = lvm.report()
        return [*self._volumes(report), *self._idle_devices(), *self._held_metadata()]

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, if it is still one; raise StillInUse when it is not any more, or may hold somebody's bytes."""
        if not leftover.clearable:
            raise StillInUse(f"{leftover.where} is not removed: {leftover.why}")
        if leftover not in self.find():
            raise StillInUse(f"{leftover.where} is no leftover any more; look again")
        if leftover.kind == _VOLUME:
            with self.access.commanding(f"remove {leftover.where}") as lvm:
                lvm.remove_if_there([leftover.where.name])
        elif leftover.kind == _DEVICE:
            self.attachments.detach(VolumeId(leftover.where.name.removeprefix("v-")))
        else:
            with self.access.kernel_pool().metadata_reserved():
                pass

    def _volumes(self, report: GroupReport) -> Iterator[Leftover]:
        for found in report.volumes:
            if found.pool == self.access.pool:
                yield from self._of_volume(found)

    def _of_volume(self, found: LogicalVolume) -> Iterator[Leftover]:
        id_, where = id_in(found.name), Path("/dev") / self.access.group / found.name
        if id_ is None:
            if is_ours(found):
                yield Leftover(_VOLUME, where, "it has tags of ours under a name that is none of ours", clearable=False)
            return
        if not is_ours(found):
            yield Leftover(_VOLUME, where, "it has a name of ours, and no tag of ours", clearable=False)
            return
        index = self.inventory.index
        damage = index.damaged_volumes if isinstance(id_, VolumeId) else index.damaged_snapshots
        if id_ in damage:
            yield Leftover(f"damaged {_VOLUME}", where, damage[id_], clearable=False)  # type: ignore[index]  # its kind was just looked at
        elif not (index.has_volume(id_) if isinstance(id_, VolumeId) else index.has_snapshot(id_)):
            yield Leftover(_VOLUME, where, "a call that failed has made it, and could not take it away again")

    def _idle_devices(self) -> Iterator[Leftover]:
        shown = {Path(entry.root).name for entry in read_mountinfo() if entry.filesystem in _HOLD_NODES}
        for volume in self.inventory.index.volumes():
            device = self.access.device(volume.id)
            if device is not None and not device.open_count and device.node.name not in shown:
                where = Path("/dev") / self.access.group / f"v-{volume.id}"
                why = f"the volume {volume.name!r} is attached, and neither mounted nor published"
                yield Leftover(_DEVICE, where, why)

    def _held_metadata(self) -> Iterator[Leftover]:
        pool = self.access.kernel_pool()
        if pool.status().held_root is not None:
            yield Leftover(
                "reserved metadata",
                Path("/dev/mapper") / pool.name,
                "a program that read the pool's metadata was killed",
            )
