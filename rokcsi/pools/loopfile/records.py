"""What a volume or snapshot is, as written into the attribute of its file.

The text is `record_fields` in JSON: up to 255 bytes of it fit into an XFS inode of the
usual size, beside the extents. A file's length is its size, so that growing is one step.
One field is of this pool alone:

    b  batch: its id and how many snapshots were cut in the same call (1: however many are left)
"""

from __future__ import annotations

from dataclasses import dataclass

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.record_fields import (
    Unreadable,
    fields_of,
    number_from,
    of,
    read,
    snapshot_fields,
    snapshot_of,
    text_of,
    volume_fields,
    volume_of,
)

ATTRIBUTE = "user.rokcsi"


@dataclass(frozen=True, slots=True)
class Batch:
    """The snapshots of one call: at least `count` of them are in the pool, or none was ever promised.

    One member with the count 1 vouches for all: the batch was whole once, and a part of it is
    deleted on purpose.
    """

    id: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as it lies in the pool; without a batch it stands for itself."""

    snapshot: Snapshot
    batch: Batch | None = None


def volume_text(volume: Volume) -> bytes:
    """Write a volume's attribute."""
    return text_of(volume_fields(volume))


def snapshot_text(stored: StoredSnapshot) -> bytes:
    """Write a snapshot's attribute."""
    batch = stored.batch
    return text_of(snapshot_fields(stored.snapshot) | {"b": [batch.id, batch.count] if batch else None})


def read_volume(id: VolumeId, size: int, text: bytes) -> Volume:
    """Read a volume's attribute; raise Damaged."""
    try:
        return volume_of(id, size, fields_of(text))
    except Unreadable as error:
        raise _unreadable(id, error) from error


def read_snapshot(id: SnapshotId, size: int, text: bytes) -> StoredSnapshot:
    """Read a snapshot's attribute; raise Damaged."""
    try:
        fields = fields_of(text)
        snapshot = snapshot_of(id, size, fields)
        return StoredSnapshot(snapshot, read(lambda: _batch(*of(list, fields["b"]))) if "b" in fields else None)
    except Unreadable as error:
        raise _unreadable(id, error) from error


def _batch(id: object, count: object) -> Batch:
    return Batch(of(str, id), number_from(1, count))


def _unreadable(id: str, error: Exception) -> Damaged:
    return Damaged(f"the attribute {ATTRIBUTE} of the file {id} cannot be read ({error}); restore or remove the file")
