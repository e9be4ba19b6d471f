"""Reading a pool from the report of its volume group: the inventory, and what was begun and never answered.

Called when the pool is opened, and for one name that LVM says is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.names import id_in, name_of
from rokcsi.pools.lvm.records import (
    Batch,
    StoredSnapshot,
    combined,
    is_ours,
    read_snapshot,
    read_volume,
)
from rokcsi.system.lvm_reports import GroupReport, LogicalVolume

_log = logging.getLogger(__name__)


class PoolReader:
    """Fills an inventory; what cannot be read is set aside, and keeps nobody from the rest."""

    def __init__(self, pool: str, inventory: Inventory) -> None:
        self._pool = pool
        self._inventory = inventory

    def read(self, report: GroupReport, only: str | None = None) -> Sequence[str]:
        """Take in all that is ours, or one of it; give the names of what was begun and never answered."""
        unanswered: list[str] = []
        snapshots: list[StoredSnapshot] = []
        for found in report.volumes:
            id_ = id_in(found.name)
            if found.pool != self._pool or id_ is None or not is_ours(found) or only not in {None, found.name}:
                continue
            if isinstance(id_, SnapshotId):
                snapshots += self._snapshot(id_, found)
            elif not self._took_volume(id_, found):
                unanswered.append(found.name)
        return unanswered + self._take_snapshots(snapshots)

    def _took_volume(self, id: VolumeId, found: LogicalVolume) -> bool:
        try:
            stored = read_volume(id, found)
        except Damaged as damage:
            self._set_aside(id, damage)
            return True
        if not stored.unfinished:
            self._inventory.put_volume(stored)
        return not stored.unfinished

    def _snapshot(self, id: SnapshotId, found: LogicalVolume) -> Sequence[StoredSnapshot]:
        try:
            return [read_snapshot(id, found)]
        except Damaged as damage:
            self._set_aside(id, damage)
            return []

    def _take_snapshots(self, snapshots: Sequence[StoredSnapshot]) -> list[str]:
        """Take in what stands for itself, and answered batches; nothing is given up while one that cannot be read may belong to it."""
        doubtful, unanswered = bool(self._inventory.index.damaged_snapshots), []
        for batch, members in _by_batch(snapshots).items():
            cut = members if batch is None else combined(members)
            if batch is None or doubtful or cut[0].settled:
                for member in cut:
                    self._inventory.put_snapshot(member)
            else:
                unanswered += [name_of(member.snapshot.id) for member in cut]
        return unanswered

    def _set_aside(self, id: VolumeId | SnapshotId, damage: Damaged) -> None:
        _log.warning("%s is set aside: %s", name_of(id), damage)
        self._inventory.index.set_aside(id, str(damage))


def _by_batch(snapshots: Sequence[StoredSnapshot]) -> dict[Batch | None, list[StoredSnapshot]]:
    found: dict[Batch | None, list[StoredSnapshot]] = {}
    for stored in snapshots:
        found.setdefault(stored.batch, []).append(stored)
    return found
