"""What is in the pool, in memory: every question costs the same however much there is.

Kept by each pool as things come and go, and read from the pool itself when it is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from rokcsi.model.errors import Damaged, GroupNotFound, SnapshotNotFound, VolumeDamaged, VolumeNotFound
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume

_Key = TypeVar("_Key", bound=Hashable)


class Index:
    """Volumes and snapshots by their ids, snapshots also by volume and group; safe to use from many threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._volumes: dict[VolumeId, Volume] = {}
        self._snapshots: dict[SnapshotId, Snapshot] = {}
        self._by_volume: dict[VolumeId, tuple[SnapshotId, ...]] = {}
        self._by_group: dict[GroupId, tuple[SnapshotId, ...]] = {}
        self._damaged_volumes: dict[VolumeId, str] = {}
        self._damaged_snapshots: dict[SnapshotId, str] = {}
        self._promised = 0

    @property
    def promised(self) -> int:
        """The sizes of all volumes and snapshots together, in bytes."""
        return self._promised

    def has_volume(self, id: VolumeId) -> bool:
        """Tell whether a volume is here, readable or not."""
        return id in self._volumes or id in self._damaged_volumes

    def has_snapshot(self, id: SnapshotId) -> bool:
        """Tell whether a snapshot is here, readable or not."""
        return id in self._snapshots or id in self._damaged_snapshots

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound, VolumeDamaged."""
        try:
            return self._volumes[id]
        except KeyError:
            if id in self._damaged_volumes:
                raise VolumeDamaged(self._damaged_volumes[id]) from None
            raise VolumeNotFound(f"there is no volume {id} in this pool") from None

    def snapshot(self, id: SnapshotId) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound, Damaged."""
        try:
            return self._snapshots[id]
        except KeyError:
            if id in self._damaged_snapshots:
                raise Damaged(self._damaged_snapshots[id]) from None
            raise SnapshotNotFound(f"there is no snapshot {id} in this pool") from None

    @property
    def damaged_volumes(self) -> Mapping[VolumeId, str]:
        """Volumes of which only the id is known, and what is wrong with them."""
        return self._damaged_volumes

    @property
    def damaged_snapshots(self) -> Mapping[SnapshotId, str]:
        """Snapshots of which only the id is known, and what is wrong with them."""
        return self._damaged_snapshots

    def set_aside(self, id: VolumeId | SnapshotId, why: str) -> None:
        """Remember that this one is here and cannot be read: its id stays taken."""
        if isinstance(id, VolumeId):
            self._damaged_volumes[id] = why
        else:
            self._damaged_snapshots[id] = why

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""
        with self._mutex:
            return [self._volumes[id_] for id_ in sorted(self._volumes)]

    def snapshots(self) -> Sequence[Snapshot]:
        """Give all snapshots, ordered by id."""
        with self._mutex:
            return [self._snapshots[id_] for id_ in sorted(self._snapshots)]

    def snapshots_of(self, volume: VolumeId) -> Sequence[Snapshot]:
        """Give one volume's snapshots, ordered by id."""
        with self._mutex:
            return [self._snapshots[id_] for id_ in sorted(self._by_volume.get(volume, ()))]

    def group(self, id: GroupId) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""
        with self._mutex:
            members = [self._snapshots[member] for member in sorted(self._by_group.get(id, ()))]
        if not members:
            raise GroupNotFound(f"there is no group {id} in this pool")
        return members

    def put_volume(self, volume: Volume) -> None:
        """Add a volume, or replace what was known of it."""
        with self._mutex:
            before = self._volumes.get(volume.id)
            self._promised += volume.size - (before.size if before else 0)
            self._volumes[volume.id] = volume

    def drop_volume(self, id: VolumeId) -> None:
        """Forget a volume, readable or not, if it is here."""
        with self._mutex:
            self._damaged_volumes.pop(id, None)
            gone = self._volumes.pop(id, None)
            self._promised -= gone.size if gone else 0

    def put_snapshot(self, snapshot: Snapshot) -> None:
        """Add a snapshot, or replace what was known of it."""
        with self._mutex:
            self._forget(snapshot.id)
            self._snapshots[snapshot.id] = snapshot
            self._promised += snapshot.size
            link(self._by_volume, snapshot.volume, snapshot.id)
            if snapshot.group is not None:
                link(self._by_group, snapshot.group.id, snapshot.id)

    def drop_snapshot(self, id: SnapshotId) -> None:
        """Forget a snapshot, readable or not, if it is here."""
        with self._mutex:
            self._damaged_snapshots.pop(id, None)
            self._forget(id)

    def _forget(self, id: SnapshotId) -> None:
        gone = self._snapshots.pop(id, None)
        if gone is None:
            return
        self._promised -= gone.size
        unlink(self._by_volume, gone.volume, id)
        if gone.group is not None:
            unlink(self._by_group, gone.group.id, id)


def link(index: dict[_Key, tuple[SnapshotId, ...]], key: _Key, id: SnapshotId) -> None:
    """Add a snapshot to those of a key."""
    index[key] = (*index.get(key, ()), id)


def unlink(index: dict[_Key, tuple[SnapshotId, ...]], key: _Key, id: SnapshotId) -> None:
    """Take a snapshot from those of a key."""
    left = tuple(other for other in index[key] if other != id)
    if left:
        index[key] = left
    else:
        del index[key]
