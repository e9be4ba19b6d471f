"""From the words of the model to CSI's responses."""

from __future__ import annotations

from collections.abc import Sequence

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.ids import Handles, is_shown_alone
from rokcsi.model.node import VolumeStats
from rokcsi.model.pool import Capacity
from rokcsi.model.snapshot import Consistency, Snapshot
from rokcsi.model.volume import Volume, VolumeSource

WINDOW = "rokcsi-freeze-window-seconds"
CONSISTENCY = "rokcsi-consistency"
POOL = "rokcsi-pool"
_WEAKEST_FIRST = (Consistency.SHARED, Consistency.CRASH, Consistency.FROZEN)


def topology_message(driver: DriverIdentity) -> csi.Topology:
    """Give the place of this node's volumes."""
    return csi.Topology(segments=driver.segments)


def volume_message(volume: Volume, handles: Handles, driver: DriverIdentity) -> csi.Volume:
    """Give a volume; its context is empty, since everything about it is known by its handle."""
    return csi.Volume(
        capacity_bytes=volume.size,
        volume_id=handles.of_volume(volume.id),
        content_source=_source_message(volume.source, handles),
        accessible_topology=[topology_message(driver)],
    )


def _source_message(source: VolumeSource | None, handles: Handles) -> csi.VolumeContentSource | None:
    if source is None:
        return None
    if source.snapshot is not None:
        snapshot = csi.VolumeContentSource.SnapshotSource(snapshot_id=handles.of_snapshot(source.snapshot))
        return csi.VolumeContentSource(snapshot=snapshot)
    if source.volume is not None:
        volume = csi.VolumeContentSource.VolumeSource(volume_id=handles.of_volume(source.volume))
        return csi.VolumeContentSource(volume=volume)
    return None


def snapshot_message(snapshot: Snapshot, handles: Handles, asked: str | None = None) -> csi.Snapshot:
    """Give a snapshot; a member of a group names its group, unless it was asked for by itself."""
    alone = asked is not None and is_shown_alone(asked)
    group = None if alone else snapshot.group
    message = csi.Snapshot(
        size_bytes=snapshot.size,
        snapshot_id=asked if asked is not None and alone else handles.of_snapshot(snapshot.id),
        source_volume_id=handles.of_volume(snapshot.volume),
        ready_to_use=True,
        group_snapshot_id=handles.of_group(group.id) if group else "",
    )
    message.creation_time.FromDatetime(snapshot.created_at)
    return message


def group_message(handle: str, members: Sequence[Snapshot], handles: Handles) -> csi.VolumeGroupSnapshot:
    """Give a group with its members; it was cut when the last of them was."""
    message = csi.VolumeGroupSnapshot(
        group_snapshot_id=handle,
        snapshots=[snapshot_message(member, handles) for member in members],
        ready_to_use=True,
    )
    message.creation_time.FromDatetime(max(member.created_at for member in members))
    return message


def freeze_facts(snapshots: Sequence[Snapshot]) -> tuple[tuple[str, str], ...]:
    """Give, as trailing metadata, how long writers were held up and the weakest consistency among the members."""
    window = max(snapshot.freeze_window_seconds for snapshot in snapshots)
    weakest = min((snapshot.consistency for snapshot in snapshots), key=_WEAKEST_FIRST.index)
    return ((WINDOW, f"{window:.6f}"), (CONSISTENCY, weakest.value))


def capacity_message(capacity: Capacity) -> csi.GetCapacityResponse:
    """Give how much room there is; one volume may take all of it."""
    response = csi.GetCapacityResponse(available_capacity=capacity.available)
    response.maximum_volume_size.value = capacity.available
    return response


def capacity_facts(capacity: Capacity) -> tuple[tuple[str, str], ...]:
    """Give, as trailing metadata, the rest of what is known of the pool's room, in bytes and as a share of 1."""
    facts = {"total": capacity.total, "used": capacity.used, "promised": capacity.promised, "kept": capacity.kept}
    words = [(f"{POOL}-{name}", str(int(value))) for name, value in facts.items()]
    share = capacity.metadata_used
    return (*words, *([] if share is None else [(f"{POOL}-metadata-used", f"{share:.4f}")]))


def stats_message(stats: VolumeStats) -> csi.NodeGetVolumeStatsResponse:
    """Give what is used of a volume: bytes, and inodes where there are any."""
    usage = [
        csi.VolumeUsage(
            unit=csi.VolumeUsage.BYTES, total=stats.total, used=stats.used or 0, available=stats.available or 0
        )
    ]
    if stats.inodes is not None:
        usage.append(
            csi.VolumeUsage(
                unit=csi.VolumeUsage.INODES,
                total=stats.inodes,
                used=stats.inodes_used or 0,
                available=stats.inodes_free or 0,
            )
        )
    return csi.NodeGetVolumeStatsResponse(usage=usage)
