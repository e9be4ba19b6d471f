"""What a volume or snapshot is, as written into the attribute of its file.

The text is JSON with one-letter keys: up to 255 bytes of it fit into an XFS inode of the
usual size, beside the extents. A file's length is its size, so that growing is one step.

    r  version of this form     n  name             t  created, microseconds since 1970
    f  file system              m  formatted        l  labels
    s  source snapshot          o  source volume    (of a volume)
    v  volume                   g  group's name, count, and id when it is not the name's
    c  consistency              w  freeze window in microseconds
    b  batch: its id and how many snapshots were cut in the same call
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from rokcsi.model.errors import Damaged
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import Labels, Volume, VolumeSource, no_labels

ATTRIBUTE = "user.rokcsi"
_VERSION = 1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_WRONG = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Batch:
    """The snapshots of one call: all `count` of them are in the pool, or none was ever promised."""

    id: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as it lies in the pool; without a batch it stands for itself."""

    snapshot: Snapshot
    batch: Batch | None = None


def volume_text(volume: Volume) -> bytes:
    """Write a volume's attribute."""
    source = volume.source or VolumeSource()
    return _text(volume, {"s": source.snapshot, "o": source.volume})


def snapshot_text(stored: StoredSnapshot) -> bytes:
    """Write a snapshot's attribute."""
    snapshot, batch = stored.snapshot, stored.batch
    fields = {"v": snapshot.volume, "c": str(snapshot.consistency), "w": round(snapshot.freeze_window_seconds * 1e6)}
    fields["g"] = _group_fields(snapshot.group) if snapshot.group else None
    fields["b"] = [batch.id, batch.count] if batch else None
    return _text(snapshot, fields)


def read_volume(id: VolumeId, size: int, text: bytes) -> Volume:
    """Read a volume's attribute; raise Damaged."""
    fields = _fields(id, text)
    try:
        source = VolumeSource(
            SnapshotId(fields["s"]) if "s" in fields else None, VolumeId(fields["o"]) if "o" in fields else None
        )
        return Volume(
            id=id,
            name=_of(str, fields["n"]),
            size=Bytes(size),
            filesystem=_filesystem(fields),
            formatted=bool(fields.get("m")),
            source=source if source != VolumeSource() else None,
            created_at=_instant(fields["t"]),
            labels=_labels(fields),
        )
    except _WRONG as error:
        raise _unreadable(id, error) from error


def read_snapshot(id: SnapshotId, size: int, text: bytes) -> StoredSnapshot:
    """Read a snapshot's attribute; raise Damaged."""
    fields = _fields(id, text)
    try:
        snapshot = Snapshot(
            id=id,
            name=_of(str, fields["n"]),
            volume=VolumeId(fields["v"]),
            size=Bytes(size),
            filesystem=_filesystem(fields),
            formatted=bool(fields.get("m")),
            created_at=_instant(fields["t"]),
            group=_group(*_of(list, fields["g"])) if "g" in fields else None,
            consistency=Consistency(fields["c"]),
            freeze_window_seconds=_number(fields["w"], 0) / 1e6 if "w" in fields else 0.0,
            labels=_labels(fields),
        )
        return StoredSnapshot(snapshot, _batch(*_of(list, fields["b"])) if "b" in fields else None)
    except _WRONG as error:
        raise _unreadable(id, error) from error


def _text(thing: Volume | Snapshot, more: dict[str, Any]) -> bytes:
    fields = {"r": _VERSION, "n": thing.name, "t": (thing.created_at - _EPOCH) // _MICROSECOND, "f": thing.filesystem}
    fields |= {"m": int(thing.formatted), "l": dict(thing.labels), **more}
    kept = {key: value for key, value in fields.items() if value}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def _fields(id: str, text: bytes) -> dict[str, Any]:
    try:
        fields = _of(dict, json.loads(text.decode(errors="surrogatepass")))
        version = _number(fields["r"], 1)
    except _WRONG as error:
        raise _unreadable(id, error) from error
    if version > _VERSION:
        raise Damaged(f"{id} was written by a newer rokcsi (form {version}); open this pool with that version")
    return fields


def _of(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.64} where {kind.__name__} is meant")
    return value


def _number(value: object, smallest: int) -> int:
    # JSON's true is an int to Python.
    number = _of(int, value)
    if isinstance(value, bool) or number < smallest:
        raise ValueError(f"{value!r:.64} where a number from {smallest} on is meant")
    return number


def _instant(microseconds: object) -> dt.datetime:
    return _EPOCH + _of(int, microseconds) * _MICROSECOND


def _labels(fields: dict[str, Any]) -> Labels:
    if "l" not in fields:
        return no_labels()
    return {key: _of(str, value) for key, value in _of(dict, fields["l"]).items()}


def _filesystem(fields: dict[str, Any]) -> str | None:
    if "f" not in fields:
        return None
    if fields["f"] not in FILESYSTEMS:
        raise ValueError(f"{fields['f']!r:.64} where a file system is meant")
    return str(fields["f"])


def _group_fields(group: GroupMembership) -> list[str | int]:
    known = group.id == GroupId.of_name(group.name)
    return [group.name, group.count] if known else [group.name, group.count, group.id]


def _group(name: object, count: object, id: object = None) -> GroupMembership:
    text = _of(str, name)
    return GroupMembership(GroupId.of_name(text) if id is None else GroupId(_of(str, id)), text, _number(count, 1))


def _batch(id: object, count: object) -> Batch:
    return Batch(_of(str, id), _number(count, 1))


def _unreadable(id: str, error: Exception) -> Damaged:
    return Damaged(f"the attribute {ATTRIBUTE} of the file {id} cannot be read ({error}); restore or remove the file")
