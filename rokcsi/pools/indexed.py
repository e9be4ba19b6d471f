"""What every pool with an index begins with: questions are answered from memory.

The base of all pools that are served; each fills its index when it is opened, and keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.index import Index


class IndexedPool:
    """Looks things up in `_index`; a pool whose index can fall behind catches up in `_settle`."""

    _index: Index

    def volume(self, id: VolumeId) -> Volume:
        """Give one volume; raise VolumeNotFound."""
        self._settle()
        return self._index.volume(id)

    def volumes(self) -> Sequence[Volume]:
        """Give all volumes, ordered by id."""
        self._settle()
        return self._index.volumes()

    def snapshot(self, id: SnapshotId) -> Snapshot:
        """Give one snapshot; raise SnapshotNotFound."""
        self._settle()
        return self._index.snapshot(id)

    def snapshots(self) -> Sequence[Snapshot]:
        """Give all snapshots, ordered by id."""
        self._settle()
        return self._index.snapshots()

    def snapshots_of(self, volume: VolumeId) -> Sequence[Snapshot]:
        """Give the snapshots of one volume, ordered by id."""
        self._settle()
        return self._index.snapshots_of(volume)

    def group(self, id: GroupId) -> Sequence[Snapshot]:
        """Give a group's members, ordered by id; raise GroupNotFound."""
        self._settle()
        return self._index.group(id)

    def _settle(self) -> None:
        """Bring the index up to date; one that is kept with every change always is."""
