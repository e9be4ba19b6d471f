"""What a volume or snapshot is, as fields that travel with its bytes: into attributes, tags, properties and journals.

Called by every pool that writes JSON. The keys have one letter, since some of these places
are small; what is empty is left out. The id and the size are not among the fields: the
place itself says them.

    r  version of this form     n  name             t  created, microseconds since 1970
    f  file system              m  formatted        l  labels
    s  source snapshot          o  source volume    (of a volume)
    u  tuning: block size, compression              (of a volume)
    v  volume                   g  group's name, count, and id when it is not the name's
    c  consistency              w  freeze window in microseconds

A pool may add fields of its own under other letters.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency, GroupMembership, Snapshot
from rokcsi.model.volume import UNTUNED, Labels, Tuning, Volume, VolumeSource, no_labels

Fields = Mapping[str, Any]
_VERSION = 1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_WRONG = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
_Kind = TypeVar("_Kind")


class Unreadable(Exception):
    """A record says what no rokcsi of this version writes; the text tells what. Each pool says where it is."""


def volume_fields(volume: Volume) -> dict[str, Any]:
    """Give a volume's fields."""
    source = volume.source or VolumeSource()
    tuning = [volume.tuning.block_size, volume.tuning.compression] if volume.tuning != UNTUNED else None
    return _fields_of_both(volume) | {"s": source.snapshot, "o": source.volume, "u": tuning}


def snapshot_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Give a snapshot's fields."""
    fields = {"v": snapshot.volume, "c": str(snapshot.consistency), "w": round(snapshot.freeze_window_seconds * 1e6)}
    fields["g"] = _group_fields(snapshot.group) if snapshot.group else None
    return _fields_of_both(snapshot) | fields


def text_of(fields: Fields) -> bytes:
    """Write fields as JSON, without the empty ones."""
    kept = {key: value for key, value in fields.items() if value}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")


def fields_of(text: bytes) -> dict[str, Any]:
    """Read fields from JSON; raise Unreadable."""
    return read(lambda: of(dict, json.loads(text.decode(errors="surrogatepass"))))


def volume_of(id: VolumeId, size: int, fields: Fields) -> Volume:
    """Read a volume's fields; raise Unreadable."""
    return read(lambda: _volume(id, size, fields))


def snapshot_of(id: SnapshotId, size: int, fields: Fields) -> Snapshot:
    """Read a snapshot's fields; raise Unreadable."""
    return read(lambda: _snapshot(id, size, fields))


def read(reading: Callable[[], _Kind]) -> _Kind:
    """Read something out of fields; raise Unreadable for all that may be wrong with them."""
    try:
        return reading()
    except _WRONG as error:
        raise Unreadable(str(error) or type(error).__name__) from error


def of(kind: type[_Kind], value: object) -> _Kind:
    """Give a value that has to be of a kind; raise TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.64} where {kind.__name__} is meant")
    return value


def number_from(smallest: int, value: object) -> int:
    """Give a value that has to be a whole number, not a smaller one than this; raise TypeError, ValueError."""
    # JSON's true is an int to Python.
    number = of(int, value)
    if isinstance(value, bool) or number < smallest:
        raise ValueError(f"{value!r:.64} where a number from {smallest} on is meant")
    return number


def _volume(id: VolumeId, size: int, fields: Fields) -> Volume:
    _refuse_newer(fields)
    source = VolumeSource(
        SnapshotId(fields["s"]) if "s" in fields else None, VolumeId(fields["o"]) if "o" in fields else None
    )
    return Volume(
        id=id,
        name=of(str, fields["n"]),
        size=Bytes(size),
        filesystem=_filesystem(fields),
        formatted=bool(fields.get("m")),
        source=source if source != VolumeSource() else None,
        created_at=_instant(fields["t"]),
        labels=_labels(fields),
        tuning=_tuning(*of(list, fields["u"])) if "u" in fields else UNTUNED,
    )


def _snapshot(id: SnapshotId, size: int, fields: Fields) -> Snapshot:
    _refuse_newer(fields)
    return Snapshot(
        id=id,
        name=of(str, fields["n"]),
        volume=VolumeId(fields["v"]),
        size=Bytes(size),
        filesystem=_filesystem(fields),
        formatted=bool(fields.get("m")),
        created_at=_instant(fields["t"]),
        group=_group(*of(list, fields["g"])) if "g" in fields else None,
        consistency=Consistency(fields["c"]),
        freeze_window_seconds=number_from(0, fields["w"]) / 1e6 if "w" in fields else 0.0,
        labels=_labels(fields),
    )


def _fields_of_both(thing: Volume | Snapshot) -> dict[str, Any]:
    created = (thing.created_at - _EPOCH) // _MICROSECOND
    fields = {"r": _VERSION, "n": thing.name, "t": created, "f": thing.filesystem}
    return fields | {"m": int(thing.formatted), "l": dict(thing.labels)}


def _refuse_newer(fields: Fields) -> None:
    version = number_from(1, fields["r"])
    if version > _VERSION:
        raise ValueError(f"written by a newer rokcsi, form {version}; use that version")


def _instant(microseconds: object) -> dt.datetime:
    return _EPOCH + of(int, microseconds) * _MICROSECOND


def _labels(fields: Fields) -> Labels:
    if "l" not in fields:
        return no_labels()
    return {key: of(str, value) for key, value in of(dict, fields["l"]).items()}


def _tuning(block_size: object, compression: object) -> Tuning:
    return Tuning(
        None if block_size is None else Bytes(number_from(1, block_size)),
        None if compression is None else of(str, compression),
    )


def _filesystem(fields: Fields) -> str | None:
    if "f" not in fields:
        return None
    if fields["f"] not in FILESYSTEMS:
        raise ValueError(f"{fields['f']!r:.64} where a file system is meant")
    return str(fields["f"])


def _group_fields(group: GroupMembership) -> list[str | int]:
    known = group.id == GroupId.of_name(group.name)
    return [group.name, group.count] if known else [group.name, group.count, group.id]


def _group(name: object, count: object, id: object = None) -> GroupMembership:
    text = of(str, name)
    return GroupMembership(GroupId.of_name(text) if id is None else GroupId(of(str, id)), text, number_from(1, count))
