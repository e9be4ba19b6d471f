"""LVM's reports: the JSON of `lvs`, read into what we need of a volume group, its thin pools and their volumes.

Called by `lvm`. Sizes are asked for in bytes and without a unit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rokcsi.model.errors import ToolFailed
from rokcsi.model.sizes import Bytes

GROUP_FIELDS = ("vg_name", "vg_uuid", "vg_extent_size", "vg_free", "vg_mda_size", "vg_mda_free", "vg_missing_pv_count")
VOLUME_FIELDS = (
    *("lv_name", "lv_uuid", "lv_size", "lv_tags", "segtype", "pool_lv", "origin", "thin_id"),
    *("lv_active", "lv_permissions", "lv_health_status"),
)
POOL_FIELDS = ("chunk_size", "lv_metadata_size", "zero", "discards", "lv_when_full", "seg_monitor")
REPORTED = ",".join((*GROUP_FIELDS, *VOLUME_FIELDS, *POOL_FIELDS))


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume; `pool`, `origin` and `thin_id` are a thin volume's, `origin` only while that is there."""

    name: str
    uuid: str
    size: Bytes
    tags: tuple[str, ...]
    kind: str
    pool: str | None
    origin: str | None
    thin_id: int | None
    active: bool
    readonly: bool
    health: str


@dataclass(frozen=True, slots=True)
class ThinPoolSettings:
    """How a thin pool was made; `error_when_full`: writes fail at once, instead of waiting for room."""

    chunk_size: Bytes
    metadata_size: Bytes
    zeroes: bool
    discards: str
    error_when_full: bool
    monitored: bool


@dataclass(frozen=True, slots=True)
class VolumeGroup:
    """A volume group; its own metadata, a text on its disks, may have at most `metadata_room` bytes."""

    name: str
    uuid: str
    extent_size: Bytes
    free: Bytes
    metadata_room: Bytes
    metadata_free: Bytes
    missing_disks: int

    @property
    def metadata_used(self) -> float:
        """The share of the room for its own metadata that is used, 0 to 1."""
        return 1.0 - min(1.0, self.metadata_free / self.metadata_room)


@dataclass(frozen=True, slots=True)
class GroupReport:
    """A volume group with all its logical volumes; the settings are its thin pools' by their names."""

    group: VolumeGroup
    volumes: tuple[LogicalVolume, ...]
    pools: Mapping[str, ThinPoolSettings]

    def volume(self, name: str) -> LogicalVolume | None:
        """Give one logical volume, None when there is none of this name."""
        return next((volume for volume in self.volumes if volume.name == name), None)


def group_report(text: str) -> GroupReport:
    """Read what `lvs` printed of one volume group; raise ToolFailed for anything that is no such report."""
    try:
        rows = json.loads(text)["report"][0]["lv"]
        volumes = {row["lv_name"]: _volume(row) for row in rows}
        pools = {row["lv_name"]: _settings(row) for row in rows if row["segtype"] == "thin-pool"}
        return GroupReport(_group(rows), tuple(volumes.values()), pools)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ToolFailed(
            f"lvs printed something that is no report of a volume group ({error!r}): {text:.200}"
        ) from error


def _group(rows: Sequence[Mapping[str, str]]) -> VolumeGroup:
    row = rows[0]
    return VolumeGroup(
        name=row["vg_name"],
        uuid=row["vg_uuid"],
        extent_size=_bytes(row["vg_extent_size"]),
        free=_bytes(row["vg_free"]),
        # The new text is written beside the old one: each may have half of the area.
        metadata_room=Bytes(_bytes(row["vg_mda_size"]) // 2),
        metadata_free=_bytes(row["vg_mda_free"]),
        missing_disks=int(row["vg_missing_pv_count"]),
    )


def _volume(row: Mapping[str, str]) -> LogicalVolume:
    return LogicalVolume(
        name=row["lv_name"],
        uuid=row["lv_uuid"],
        size=_bytes(row["lv_size"]),
        tags=tuple(tag for tag in row["lv_tags"].split(",") if tag),
        kind=row["segtype"],
        pool=row["pool_lv"] or None,
        origin=row["origin"] or None,
        thin_id=int(row["thin_id"]) if row["thin_id"] else None,
        active=row["lv_active"].startswith("active"),
        readonly=row["lv_permissions"].startswith("read-only"),
        health=row["lv_health_status"],
    )


def _settings(row: Mapping[str, str]) -> ThinPoolSettings:
    return ThinPoolSettings(
        chunk_size=_bytes(row["chunk_size"]),
        metadata_size=_bytes(row["lv_metadata_size"]),
        zeroes=row["zero"] == "zero",
        discards=row["discards"],
        error_when_full=row["lv_when_full"] == "error",
        monitored=row["seg_monitor"] == "monitored",
    )


def _bytes(text: Any) -> Bytes:
    return Bytes(int(text))
