"""A pool in memory that dies before it does what it was asked to: the crash that a restart finds."""

from __future__ import annotations

from collections.abc import Iterable

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Labels
from rokcsi.pools.memory import MemoryPool


class InterruptedPool(MemoryPool):
    """Carries out nothing of deleting and labelling snapshots while `interrupted`; `reopened` gives a whole one."""

    interrupted = False

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away, unless interrupted."""
        if not self.interrupted:
            super().delete_volume(id)

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away, unless interrupted."""
        if not self.interrupted:
            super().delete_snapshots(ids)

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's, unless interrupted."""
        return self.snapshot(id) if self.interrupted else super().label_snapshot(id, labels)
