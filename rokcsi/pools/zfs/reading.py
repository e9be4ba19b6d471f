"""Reading what is in the pool: at the start, and whatever is in doubt later on.

Volumes and snapshots get into the index, dead ones and strangers among the places. What has
our name and no record was never finished, or is damaged: see `Unfinished`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.index import Index
from rokcsi.pools.zfs.names import volume_of
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.records import VOLUME, is_deleted, read_snapshot, read_volume
from rokcsi.system.zfs import ZfsRow

_log = logging.getLogger(__name__)
_CREATION_WRITES = 1 << 20  # 12 KiB on one disk with small sectors, 280 KiB on raidz2 with large ones


@dataclass
class Findings:
    """What a reading has found besides volumes and snapshots.

    `unfinished` are volumes that nobody was ever told of; `reserving` are graves that still
    have room set aside for them, `unreserved` volumes that have none.
    """

    unfinished: list[str] = field(default_factory=list)
    reserving: list[str] = field(default_factory=list)
    unreserved: list[str] = field(default_factory=list)


class Reader:
    """Takes rows of ZFS's list into the index and the places."""

    def __init__(self, index: Index, places: Places) -> None:
        self._index = index
        self._places = places

    def take(self, rows: Sequence[ZfsRow], last_opened: int) -> Findings:
        """Take everything that is in the pool; `last_opened` is the transaction group up to which all was seen before."""
        findings = Findings()
        with_snapshots = {volume_of(row.name) for row in rows if row.is_snapshot}
        for row in rows:
            if row.is_snapshot:
                self._take_snapshot(row)
            elif row.name not in with_snapshots and is_unfinished(row, last_opened):
                self._note_unfinished(row, findings)
            else:
                self._take_volume(row, findings)
        return findings

    def take_again(self, names: Sequence[str], rows: Sequence[ZfsRow]) -> None:
        """Take what was in doubt: these rows are what is there of these names."""
        there = {row.name for row in rows}
        for name in names:
            self._forget(name)
        self._places.drop_dead(name for name in names if name not in there)
        for row in rows:
            if row.is_snapshot:
                self._take_snapshot(row)
            else:
                self._take_volume(row, Findings())

    def _take_volume(self, row: ZfsRow, findings: Findings) -> None:
        id_ = self._places.names.volume_id(row.name)
        if id_ is None:
            return
        if is_deleted(row):
            self._places.put_dead({row.name: row.used})
            if row.reserved:
                findings.reserving.append(row.name)
            return
        try:
            _refuse_unreceived(row)
            volume = read_volume(id_, row)
            self._refuse_second(id_, row)
        except Damaged as damage:
            self._set_aside(id_, row, damage)
            return
        if not row.reserved:
            findings.unreserved.append(row.name)
        self._places.put_volume(id_, row.name)
        self._index.put_volume(volume)

    def _take_snapshot(self, row: ZfsRow) -> None:
        id_ = self._places.names.snapshot_id(row.name)
        of = self._places.names.volume_id(volume_of(row.name))
        if id_ is None or of is None:
            return
        if row.deferred:
            self._places.put_dead({row.name: row.used})
            return
        try:
            snapshot = read_snapshot(id_, of, row)
            self._refuse_second(id_, row)
        except Damaged as damage:
            self._set_aside(id_, row, damage)
            return
        self._places.put_snapshot(id_, row.name)
        self._index.put_snapshot(snapshot)

    def _note_unfinished(self, row: ZfsRow, findings: Findings) -> None:
        if self._places.names.volume_id(row.name) is not None:
            findings.unfinished.append(row.name)

    def _refuse_second(self, id: VolumeId | SnapshotId, row: ZfsRow) -> None:
        known = self._index.has_volume(id) if isinstance(id, VolumeId) else self._index.has_snapshot(id)
        if known:
            raise Damaged(f"{row.name} is there twice under different numbers; remove the one that is not wanted")

    def _set_aside(self, id: VolumeId | SnapshotId, row: ZfsRow, damage: Damaged) -> None:
        _log.warning("%s is set aside: %s", row.name, damage)
        self._places.put_stranger(row.name)
        self._index.set_aside(id, str(damage))

    def _forget(self, name: str) -> None:
        snapshot, volume = self._places.names.snapshot_id(name), self._places.names.volume_id(name)
        if snapshot is not None:
            self._index.drop_snapshot(snapshot)
            self._places.drop_snapshot(snapshot)
        elif volume is not None:
            self._index.drop_volume(volume)
            self._places.drop_volume(volume)


def _refuse_unreceived(row: ZfsRow) -> None:
    if row.receiving:
        raise Damaged(f"{row.name} is being received from another machine; finish that, or remove it")


def is_unfinished(row: ZfsRow, last_opened: int) -> bool:
    """Tell whether a volume was never finished: made since the pool was last opened, without a record, and hardly written to.

    ZFS sets the properties of a new volume in the transaction group after the one that makes it, so
    a power cut in between leaves one without. Nobody was told of it. One that is older, or holds
    more than what ZFS itself writes, has lost its record in another way, and stays.
    """
    is_new = row.made_in > last_opened and row.written < _CREATION_WRITES
    return VOLUME not in row.own and is_new and not row.receiving
