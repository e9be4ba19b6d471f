"""What is in the pool, in memory: the index, and what only this pool has to remember of each thing: tags and batches.

Read from the volume group when the pool is opened, and kept as things come and go: no
listing is ever needed in between.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.index import Index
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.records import Batch, StoredSnapshot, StoredVolume

# Seen with LVM 2.03.16: what a thin volume takes of the group's metadata besides its tags.
_TEXT_BYTES, _TEXT_BYTES_A_TAG = 480, 4


@dataclass(slots=True)
class Inventory:
    """The index with its further knowledge; safe to use from many threads."""

    index: Index = field(default_factory=Index)
    _tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _batches: dict[SnapshotId, Batch] = field(default_factory=dict)
    _text_bytes: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def text_bytes(self) -> int:
        """About how many bytes of the volume group's own metadata all of this takes."""
        return self._text_bytes

    def put_volume(self, stored: StoredVolume) -> None:
        """Add a volume, or replace what was known of it."""
        with self._mutex:
            self._put_tags(name_of(stored.volume.id), stored.tags)
        self.index.put_volume(stored.volume)

    def drop_volume(self, id: VolumeId) -> None:
        """Forget a volume, if it is here."""
        self.index.drop_volume(id)
        with self._mutex:
            self._drop_tags(name_of(id))

    def put_snapshot(self, stored: StoredSnapshot) -> None:
        """Add a snapshot, or replace what was known of it."""
        with self._mutex:
            self._put_tags(name_of(stored.snapshot.id), stored.tags)
            self._batches.pop(stored.snapshot.id, None)
            if stored.batch is not None:
                self._batches[stored.snapshot.id] = stored.batch
        self.index.put_snapshot(stored.snapshot)

    def drop_snapshot(self, id: SnapshotId) -> None:
        """Forget a snapshot, if it is here."""
        self.index.drop_snapshot(id)
        with self._mutex:
            self._drop_tags(name_of(id))
            self._batches.pop(id, None)

    def snapshot(self, id: SnapshotId) -> StoredSnapshot:
        """Give one snapshot as it lies in the pool; raise SnapshotNotFound, Damaged."""
        return StoredSnapshot(self.index.snapshot(id), self.tags(id), self._batches.get(id))

    def tags(self, id: VolumeId | SnapshotId) -> tuple[str, ...]:
        """Give the tags of a volume or snapshot that is here."""
        return self._tags.get(name_of(id), ())

    def batch(self, batch: Batch) -> Sequence[StoredSnapshot]:
        """Give those snapshots of one call that are still here and still bound to each other."""
        with self._mutex:
            members = [id_ for id_, of in self._batches.items() if of == batch]
        return [self.snapshot(id_) for id_ in members]

    def _put_tags(self, name: str, tags: tuple[str, ...]) -> None:
        self._drop_tags(name)
        self._tags[name] = tags
        self._text_bytes += _text_bytes(tags)

    def _drop_tags(self, name: str) -> None:
        tags = self._tags.pop(name, None)
        self._text_bytes -= _text_bytes(tags) if tags is not None else 0


def _text_bytes(tags: tuple[str, ...]) -> int:
    return _TEXT_BYTES + sum(len(tag) + _TEXT_BYTES_A_TAG for tag in tags)
