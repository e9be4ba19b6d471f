"""Short words for the things that pool tests ask for again and again."""

from __future__ import annotations

from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume, VolumeSource

MIB = 1 << 20


def new_volume(name: str, mebibytes: int = 1, source: VolumeSource | None = None) -> NewVolume:
    """Wish for a raw block volume."""
    return NewVolume(name, Bytes(mebibytes * MIB), None, source)


def new_clone(name: str, snapshot: Snapshot) -> NewVolume:
    """Wish for a raw clone as large as the snapshot."""
    return NewVolume(name, snapshot.size, None, VolumeSource(snapshot=snapshot.id))


def new_group(name: str, volumes: list[Volume]) -> list[NewSnapshot]:
    """Wish for the snapshots of several volumes at one instant."""
    group = GroupMembership.of_name(name, len(volumes))
    return [NewSnapshot(f"{name} {volume.id}", volume.id, group) for volume in volumes]
