"""What a volume or snapshot is, as ZFS user properties of the thing itself.

    dev.rokcsi:volume     a volume's fields, in JSON; set last, so that what has none was never finished
    dev.rokcsi:snapshot   a snapshot's fields, in JSON
    dev.rokcsi:deleted    the name of a deleted volume that has to stay for the sake of others
    dev.rokcsi:pool       on the pool's own dataset: the pool's id
    dev.rokcsi:opened     there too: the newest transaction group that was seen when the pool was last opened

Properties are inherited, snapshots' from their volume's too: so the fields say by their name
whose they are, and a mark says the name of what is marked. The fields are `record_fields`;
sizes are ZFS's own. Fields too long for a property are packed (`zlib:` and base64).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from rokcsi.model.errors import Damaged, InvalidRequest
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.record_fields import Unreadable, fields_of, snapshot_fields, snapshot_of, volume_fields, volume_of
from rokcsi.pools.zfs.names import short_name
from rokcsi.system.zfs import ZfsRow

VOLUME = "dev.rokcsi:volume"
SNAPSHOT = "dev.rokcsi:snapshot"
DELETED = "dev.rokcsi:deleted"
POOL = "dev.rokcsi:pool"
OPENED = "dev.rokcsi:opened"
OWN = (VOLUME, SNAPSHOT, DELETED)
LABEL_BYTES = 2048  # written as ASCII they may become six times as long, which still packs into one property
_LONGEST = 8191  # ZAP_MAXVALUELEN, less the end
_LONGEST_UNPACKED = 1 << 20
_PACKED = "zlib:"


def volume_text(volume: Volume) -> str:
    """Write a volume's property; raise InvalidRequest where it has too many labels for one."""
    return _text(volume_fields(volume))


def snapshot_text(snapshot: Snapshot) -> str:
    """Write a snapshot's property; raise InvalidRequest where it has too many labels for one."""
    return _text(snapshot_fields(snapshot))


def read_volume(id: VolumeId, row: ZfsRow) -> Volume:
    """Read a volume's property; raise Damaged."""
    try:
        volume = volume_of(id, row.size, _fields(row.own[VOLUME]))
    except (KeyError, Unreadable) as error:
        raise _unreadable(VOLUME, row, error) from error
    if VolumeId.of_name(volume.name) != id:
        raise _of_another(VOLUME, row)
    return volume


def read_snapshot(id: SnapshotId, of: VolumeId, row: ZfsRow) -> Snapshot:
    """Read a snapshot's property; raise Damaged."""
    try:
        snapshot = snapshot_of(id, row.size, _fields(row.own[SNAPSHOT]))
    except (KeyError, Unreadable) as error:
        raise _unreadable(SNAPSHOT, row, error) from error
    if SnapshotId.of_name(snapshot.name) != id or snapshot.volume != of:
        raise _of_another(SNAPSHOT, row)
    return snapshot


def is_deleted(row: ZfsRow) -> bool:
    """Tell whether a volume is marked as deleted, by a mark that is its own."""
    return row.own.get(DELETED) == short_name(row.name)


def _text(fields: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in fields.items() if value}
    text = json.dumps(kept, separators=(",", ":"))
    if len(text) > _LONGEST:
        text = _PACKED + base64.b64encode(zlib.compress(text.encode())).decode()
    if len(text) > _LONGEST:
        raise InvalidRequest("the labels take more room than a ZFS property has; use fewer labels")
    return text


def _fields(text: str) -> Mapping[str, Any]:
    if not text.startswith(_PACKED):
        return fields_of(text.encode())
    try:
        unpacking = zlib.decompressobj()
        return fields_of(unpacking.decompress(base64.b64decode(text.removeprefix(_PACKED)), _LONGEST_UNPACKED))
    except (ValueError, zlib.error) as error:
        raise Unreadable(str(error)) from error


def _unreadable(name: str, row: ZfsRow, error: Exception) -> Damaged:
    why = "is missing" if isinstance(error, KeyError) else f"cannot be read ({error})"
    return Damaged(f"the property {name} of {row.name} {why}; restore it with `zfs set`, or remove {row.name}")


def _of_another(name: str, row: ZfsRow) -> Damaged:
    return Damaged(
        f"the property {name} of {row.name} tells of another one; restore it with `zfs set`, or remove {row.name}"
    )
