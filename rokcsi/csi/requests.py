"""From CSI's requests to the words of the model, for the two controller services.

Everything that can be wrong with a request by itself is found here, before anybody is
asked: InvalidRequest names the field and says what to give instead. (Lengths are checked by
`limits`, for all requests alike.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rokcsi.csi.capabilities import filesystem_of
from rokcsi.csi.parameters import (
    FLAGS_OF_GROUPS,
    FLAGS_OF_SNAPSHOTS,
    FLAGS_OF_VOLUMES,
    SNAPSHOT_CHECKS,
    UNALIGNED,
    VOLUME_CHECKS,
    read_parameters,
)
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.texts import name_of, required
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import (
    NOTHING_SAID,
    CapacityRequest,
    GroupRequest,
    SaidOfGroup,
    SnapshotFilter,
    SnapshotRequest,
    VolumeRequest,
)
from rokcsi.model.sizes import Bytes, SizeRange


def volume_request(request: csi.CreateVolumeRequest) -> VolumeRequest:
    """Read CreateVolume."""
    name = name_of("name", request.name)
    known = read_parameters(request.parameters, FLAGS_OF_VOLUMES, volumes=True)
    snapshot, volume = _source(request)
    return VolumeRequest(
        name=name,
        size=size_range(request.capacity_range),
        filesystem=filesystem_of(request.volume_capabilities, known.filesystem),
        from_snapshot=snapshot,
        from_volume=volume,
        verify_clone=known.verification(*VOLUME_CHECKS),
        labels=known.labels,
        mutable={**known.mutable, **request.mutable_parameters},  # which of the two counts is CSI's rule
        tuning=known.tuning,
    )


def snapshot_request(request: csi.CreateSnapshotRequest) -> SnapshotRequest:
    """Read CreateSnapshot."""
    known = read_parameters(request.parameters, FLAGS_OF_SNAPSHOTS)
    return SnapshotRequest(
        name=name_of("name", request.name),
        volume=required("source_volume_id", request.source_volume_id),
        verify=known.verification(*SNAPSHOT_CHECKS),
        labels=known.labels,
    )


def group_request(request: csi.CreateVolumeGroupSnapshotRequest, said: SaidOfGroup = NOTHING_SAID) -> GroupRequest:
    """Read CreateVolumeGroupSnapshot, with what is said of the group beside it."""
    known = read_parameters(request.parameters, FLAGS_OF_GROUPS)
    name = name_of("name", request.name)
    if not request.source_volume_ids:
        raise InvalidRequest("source_volume_ids is empty; name the volumes that belong together")
    return GroupRequest(
        name=name,
        volumes=handles("source_volume_ids", request.source_volume_ids),
        allow_unaligned=UNALIGNED in known.on,
        verify=known.verification(*SNAPSHOT_CHECKS),
        labels=known.labels,
        said=said,
    )


def snapshot_filter(request: csi.ListSnapshotsRequest) -> SnapshotFilter:
    """Read whose snapshots ListSnapshots is asked for."""
    return SnapshotFilter(snapshot=request.snapshot_id or None, volume=request.source_volume_id or None)


def capacity_request(request: csi.GetCapacityRequest) -> CapacityRequest:
    """Read GetCapacity; without capabilities it is asked for a mounted volume."""
    known = read_parameters(request.parameters, FLAGS_OF_VOLUMES, volumes=True)
    filesystem: str | None = known.filesystem
    if request.volume_capabilities:
        filesystem = filesystem_of(request.volume_capabilities, known.filesystem)
    return CapacityRequest(filesystem=filesystem, parameters=dict(request.parameters))


def expansion_range(request: csi.ControllerExpandVolumeRequest) -> SizeRange:
    """Read to what size ControllerExpandVolume is to grow a volume."""
    wanted = size_range(request.capacity_range)
    if not wanted.required and wanted.limit is None:
        raise InvalidRequest("capacity_range is empty; say how large the volume is to become")
    return wanted


def mutable_parameters(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Read what ControllerModifyVolume is to change; nothing is a change, too (a class without parameters)."""
    return dict(parameters)


def size_range(asked: csi.CapacityRange) -> SizeRange:
    """Read a CapacityRange, where 0 says nothing."""
    for field in ("required_bytes", "limit_bytes"):
        if getattr(asked, field) < 0:
            raise InvalidRequest(f"capacity_range.{field} is negative ({getattr(asked, field)}); sizes begin at 0")
    return SizeRange(Bytes(asked.required_bytes), Bytes(asked.limit_bytes) if asked.limit_bytes else None)


def handles(field: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Read a list of handles, none empty and none twice."""
    found = tuple(required(f"{field}[{position}]", text) for position, text in enumerate(texts))
    if len(set(found)) != len(found):
        twice = next(each for each in found if found.count(each) > 1)
        raise InvalidRequest(f"{field} names {twice!r} twice; name each once")
    return found


def _source(request: csi.CreateVolumeRequest) -> tuple[str | None, str | None]:
    """Give the handles of the snapshot and of the volume that the new one begins as; at most one is set."""
    if not request.HasField("volume_content_source"):
        return None, None
    source: Any = request.volume_content_source
    match source.WhichOneof("type"):
        case "snapshot":
            return required("volume_content_source.snapshot.snapshot_id", source.snapshot.snapshot_id), None
        case "volume":
            return None, required("volume_content_source.volume.volume_id", source.volume.volume_id)
    raise InvalidRequest("volume_content_source names neither a snapshot nor a volume; name one, or leave it out")
