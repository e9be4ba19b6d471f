"""What stands in the journal: volumes and snapshots with their thin devices, devices that are to go, and the lease.

Called by `ledger`. A volume's or snapshot's value is `record_fields` in JSON, with two more:

    z  size in bytes     d  number of its thin device
"""

from __future__ import annotations

import json
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
from rokcsi.system.thin_pool import HIGHEST_ID

LABEL_BYTES = 512  # the journal's room is small, and every snapshot takes of it
LEASE_KEY = "lease"
_GOING = "going:"
Id = VolumeId | SnapshotId


@dataclass(frozen=True, slots=True)
class Entry:
    """A volume or snapshot, and the number of the thin device that holds its bytes."""

    thing: Volume | Snapshot
    device: int


def key_of(id: Id) -> str:
    """Give the key of a volume's or snapshot's entry."""
    return f"{'v' if isinstance(id, VolumeId) else 's'}:{id}"


def id_of(key: str) -> Id | None:
    """Read the key of a volume's or snapshot's entry; None for any other key."""
    kind, _, text = key.partition(":")
    try:
        return VolumeId(text) if kind == "v" else SnapshotId(text) if kind == "s" else None
    except ValueError:
        return None


def going_key(device: int) -> str:
    """Give the key of a thin device that is to go."""
    return f"{_GOING}{device}"


def going_device(key: str) -> int | None:
    """Read the key of a thin device that is to go; None for any other key."""
    return int(key.removeprefix(_GOING)) if key.startswith(_GOING) else None


def value_of(entry: Entry) -> bytes:
    """Write an entry's value."""
    fields = volume_fields(entry.thing) if isinstance(entry.thing, Volume) else snapshot_fields(entry.thing)
    return text_of(fields | {"z": entry.thing.size, "d": entry.device})


def entry_of(id: Id, value: bytes) -> Entry:
    """Read an entry's value; raise Damaged."""
    try:
        fields = fields_of(value)
        size, device = read(lambda: (number_from(1, fields["z"]), _device(fields["d"])))
        thing = volume_of(id, size, fields) if isinstance(id, VolumeId) else snapshot_of(id, size, fields)
    except Unreadable as error:
        raise Damaged(f"the pool's record of {id} cannot be read ({error}); delete it, or restore the pool") from error
    return Entry(thing, device)


def _device(value: object) -> int:
    number = number_from(1, value)
    if number > HIGHEST_ID:
        raise ValueError(f"a thin device has no number {number}")
    return number


def lease_value(numbers: list[int]) -> bytes:
    """Write the lease."""
    return json.dumps(numbers, separators=(",", ":")).encode()


def lease_of(value: bytes) -> list[int]:
    """Read the lease; raise Damaged."""
    try:
        return read(lambda: [number_from(1, number) for number in of(list, json.loads(value))])
    except Unreadable as error:
        raise Damaged(f"the pool's lease of device numbers cannot be read ({error})") from error
