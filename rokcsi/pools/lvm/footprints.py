"""What each volume and snapshot occupies: the kernel says it of active ones, and the rest is remembered.

Called by the pool. An inactive logical volume changes no more, so what was known of it when
it was made, cut or detached stays true. What is not known, after a start say, is read for all
at once: LVM says which thin device each one is, the thin pool's metadata what those map.
"""

from __future__ import annotations

from collections.abc import Mapping

from rokcsi.model.errors import Unavailable
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Footprint
from rokcsi.model.sizes import Bytes
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.names import name_of
from rokcsi.system.device_mapper import DeviceMapperRefused, node_of
from rokcsi.system.lvm import mapped_name
from rokcsi.system.thin_metadata import thin_devices
from rokcsi.system.thin_pool import SECTOR

Id = VolumeId | SnapshotId
_NOTHING = Bytes(0)


class Footprints:
    """Bytes mapped by each volume and snapshot, shared ones included."""

    def __init__(self, access: PoolAccess) -> None:
        self._access = access
        self._known: dict[str, Bytes] = {}

    def of(self, id: Id) -> Footprint:
        """Give what a volume or snapshot occupies, as if in one piece: where its pieces lie is the thin pool's business."""
        self.note(id)
        if name_of(id) not in self._known:
            self._read_all()
        allocated = self._known.get(name_of(id), _NOTHING)
        return Footprint(allocated, extents=1 if allocated else 0)

    def note(self, id: Id) -> None:
        """Remember what an active one has mapped now; nothing happens for another."""
        if self._access.device(id) is None:
            return
        try:
            [target] = self._access.mapper.status(self._access.mapped(id))
        except DeviceMapperRefused:  # deactivated since
            return
        mapped = target.words.split()[0]
        if mapped.isdecimal():
            self._known[name_of(id)] = Bytes(int(mapped) * SECTOR)

    def note_empty(self, id: Id) -> None:
        """Remember that one was made empty."""
        self._known[name_of(id)] = _NOTHING

    def note_copy(self, id: Id, of: Id) -> None:
        """Remember that one begins as another."""
        self.note(of)
        if name_of(of) in self._known:
            self._known[name_of(id)] = self._known[name_of(of)]

    def forget(self, id: Id) -> None:
        """Forget one that is gone."""
        self._known.pop(name_of(id), None)

    def _read_all(self) -> None:
        with self._access.commanding("look what the volumes occupy", lasting=False) as lvm:
            report, mapped = lvm.report(), self._mapped()
        for volume in report.volumes:
            if volume.pool == self._access.pool and not volume.active and volume.thin_id in mapped:
                self._known.setdefault(volume.name, mapped[volume.thin_id])

    def _mapped(self) -> Mapping[int | None, Bytes]:
        pool, name = self._access.kernel_pool(), mapped_name(self._access.group, f"{self._access.pool}_tmeta")
        metadata = self._access.mapper.look(name)
        if metadata is None:
            raise Unavailable(f"the device {name} is gone, although the thin pool is active")
        block = pool.table().block
        with pool.metadata_reserved() as root:
            return {each.id: Bytes(each.mapped_blocks * block) for each in thin_devices(node_of(metadata.device), root)}
