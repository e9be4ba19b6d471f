"""How much room there is: in the thin pool's data, in its metadata, and in the volume group's own metadata.

Called by the pool. The kernel says the first two at once. The third, a text on the disks in
which every logical volume takes some hundred bytes, is known from the last report of the
group and from what was made since.
"""

from __future__ import annotations

from rokcsi.model.errors import Damaged
from rokcsi.model.pool import Capacity
from rokcsi.model.sizes import Bytes
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.system.lvm_reports import VolumeGroup


class Room:
    """The room in a pool."""

    def __init__(self, access: PoolAccess, inventory: Inventory, group: VolumeGroup) -> None:
        self.unit = group.extent_size
        self._access = access
        self._inventory = inventory
        self._text_room = group.metadata_room
        self._others_text = max(0, group.metadata_room - group.metadata_free - inventory.text_bytes)

    def capacity(self) -> Capacity:
        """Give the room as it is now; raise Unavailable while the thin pool is not active, Damaged when it has failed."""
        pool = self._access.kernel_pool()
        status, block = pool.status(), pool.table().block
        if status.failed:
            raise Damaged(
                f"the thin pool {self._access.group}/{self._access.pool} has failed; repair it: lvconvert --repair"
            )
        total, used = status.data_total * block, status.data_used * block
        return Capacity(
            Bytes(total),
            Bytes(used),
            Bytes(self._inventory.index.promised),
            Bytes((total - used) // self.unit * self.unit),
            metadata_used=max(status.metadata_used / status.metadata_total, self._text_used()),
        )

    def _text_used(self) -> float:
        return (self._others_text + self._inventory.text_bytes) / self._text_room
