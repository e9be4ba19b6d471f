"""What a volume or snapshot is, as the tags of its logical volume; the size is the logical volume's own.

    rokcsi:…           the record: its fields are those of `record_fields`, its form that of `tags`
    rokcsi.cut:ID/N    this snapshot is one of N cut in the same call
    rokcsi.held:US     writers were held up for so many microseconds; on one snapshot of a call at
                       least, set when all are there: without it the call was never answered

A record has one more field, `z`: the size asked for, where a clone is made larger than its
snapshot in a second step. As long as the logical volume is smaller, the clone is unfinished.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.lvm.tags import fields_in, is_record_tag, record_tags
from rokcsi.pools.record_fields import (
    Fields,
    Unreadable,
    number_from,
    read,
    snapshot_fields,
    snapshot_of,
    volume_fields,
    volume_of,
)
from rokcsi.system.lvm_reports import LogicalVolume

LABEL_BYTES = 512  # the group's metadata has a fixed size, and every snapshot takes of it
_CUT = re.compile(r"rokcsi\.cut:([0-9a-f]{12})/([1-9][0-9]{0,5})")
_HELD = re.compile(r"rokcsi\.held:([0-9]{1,15})")
_OURS = ("rokcsi:", "rokcsi.")
_Thing = TypeVar("_Thing", Volume, Snapshot)


@dataclass(frozen=True, slots=True)
class Batch:
    """The snapshots of one call, `count` of them: one of those that are left says that it was answered, or none was ever promised."""

    id: str
    count: int

    @property
    def tag(self) -> str:
        """The tag that each of them has."""
        return f"rokcsi.cut:{self.id}/{self.count}"


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """A volume as it lies in the pool; `unfinished`: it is still smaller than it was asked for."""

    volume: Volume
    tags: tuple[str, ...]
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as it lies in the pool; `settled`: its call has been answered."""

    snapshot: Snapshot
    tags: tuple[str, ...]
    batch: Batch | None = None
    settled: bool = True


def is_ours(volume: LogicalVolume) -> bool:
    """Tell whether a logical volume has any of our tags."""
    return any(tag.startswith(_OURS) for tag in volume.tags)


def volume_tags(volume: Volume, *, growing: bool = False) -> tuple[str, ...]:
    """Write a volume's tags; `growing`: it is made smaller than this, and grown in a second step."""
    return record_tags(volume_fields(volume) | {"z": int(volume.size) if growing else 0})


def snapshot_tags(snapshot: Snapshot, batch: Batch | None = None) -> tuple[str, ...]:
    """Write a snapshot's tags, without its freeze window, which is known only afterwards."""
    record = record_tags(snapshot_fields(snapshot) | {"w": 0})
    return record if batch is None else (*record, batch.tag)


def held_tag(snapshot: Snapshot) -> str:
    """Write how long a snapshot's writers were held up."""
    return f"rokcsi.held:{round(snapshot.freeze_window_seconds * 1e6)}"


def is_told(tags: Iterable[str]) -> bool:
    """Tell whether a snapshot itself says how long its writers were held up, and so that its call was answered."""
    return any(_HELD.fullmatch(tag) for tag in tags)


def record_tags_in(tags: Iterable[str]) -> tuple[str, ...]:
    """Give those of the tags that a changed record replaces."""
    return tuple(tag for tag in tags if is_record_tag(tag))


def read_volume(id: VolumeId, found: LogicalVolume) -> StoredVolume:
    """Read a volume's tags; raise Damaged."""
    fields = _fields(found)
    volume = _read(found, lambda: _of_its_name(id, volume_of(id, found.size, fields)))
    wished = _read(found, lambda: read(lambda: number_from(0, fields.get("z", 0))))
    return StoredVolume(volume, found.tags, unfinished=found.size < wished)


def read_snapshot(id: SnapshotId, found: LogicalVolume) -> StoredSnapshot:
    """Read a snapshot's tags; raise Damaged."""
    fields = _fields(found)
    snapshot = _read(found, lambda: _of_its_name(id, snapshot_of(id, found.size, fields)))
    cuts = [match for tag in found.tags if (match := _CUT.fullmatch(tag))]
    held = [int(match[1]) for tag in found.tags if (match := _HELD.fullmatch(tag))]
    batch = Batch(cuts[0][1], int(cuts[0][2])) if cuts else None
    snapshot = replace(snapshot, freeze_window_seconds=max(held, default=0) / 1e6)
    return StoredSnapshot(snapshot, found.tags, batch, settled=batch is None or bool(held))


def _fields(found: LogicalVolume) -> Fields:
    def fields() -> Fields:
        there = fields_in(found.tags)
        if there is None:
            raise Unreadable("there is no tag with a record")
        return there

    return _read(found, fields)


def _of_its_name(id: VolumeId | SnapshotId, thing: _Thing) -> _Thing:
    if type(id).of_name(thing.name) != id:
        raise Unreadable(f"the record is that of {thing.name!r:.140}, which has another id")
    return thing


_T = TypeVar("_T")


def _read(found: LogicalVolume, reading: Callable[[], _T]) -> _T:
    try:
        return reading()
    except Unreadable as wrong:
        raise Damaged(
            f"the tags of the logical volume {found.name} cannot be read ({wrong}); restore them with lvchange, or remove it"
        ) from wrong


def combined(stored: Sequence[StoredSnapshot]) -> Sequence[StoredSnapshot]:
    """Give the snapshots of one call, each with what only one of them says: that they are settled, and the freeze window."""
    window = max(each.snapshot.freeze_window_seconds for each in stored)
    settled = any(each.settled for each in stored)
    return [
        replace(each, snapshot=replace(each.snapshot, freeze_window_seconds=window), settled=settled) for each in stored
    ]
