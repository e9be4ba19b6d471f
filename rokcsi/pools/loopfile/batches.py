"""Which snapshots were cut in the same call, in memory: the part of the index that only this pool has."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from rokcsi.model.ids import SnapshotId
from rokcsi.pools.index import Index, link, unlink
from rokcsi.pools.loopfile.records import Batch, StoredSnapshot


class Batches:
    """The index's snapshots with their batches; the index follows. Safe to use from many threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._mutex = threading.Lock()
        self._batch_of: dict[SnapshotId, Batch] = {}
        self._members: dict[str, tuple[SnapshotId, ...]] = {}

    def stored(self, id: SnapshotId) -> StoredSnapshot:
        """Give one snapshot as it lies in the pool; raise SnapshotNotFound, Damaged."""
        return StoredSnapshot(self._index.snapshot(id), self._batch_of.get(id))

    def members(self, batch: Batch) -> Sequence[StoredSnapshot]:
        """Give those snapshots of one call that are still here, each with the batch that it has by now."""
        with self._mutex:
            ids = self._members.get(batch.id, ())
        return [self.stored(id_) for id_ in ids]

    def all(self) -> Iterable[Batch]:
        """Give every batch of which something is here, as the member says that asks for the fewest."""
        with self._mutex:
            return [min((self._batch_of[id_] for id_ in ids), key=_count) for ids in self._members.values()]

    def put(self, stored: StoredSnapshot) -> None:
        """Add a snapshot, or replace what was known of it."""
        id_ = stored.snapshot.id
        self._index.put_snapshot(stored.snapshot)
        with self._mutex:
            self._forget(id_)
            if stored.batch is not None:
                self._batch_of[id_] = stored.batch
                link(self._members, stored.batch.id, id_)

    def drop(self, id: SnapshotId) -> None:
        """Forget a snapshot, if it is here."""
        with self._mutex:
            self._forget(id)
        self._index.drop_snapshot(id)

    def _forget(self, id: SnapshotId) -> None:
        batch = self._batch_of.pop(id, None)
        if batch is not None:
            unlink(self._members, batch.id, id)


def _count(batch: Batch) -> int:
    return batch.count
