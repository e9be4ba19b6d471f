"""CSI spoken as a client, over the driver's unix socket: what external-provisioner, external-snapshotter and kubelet say.

Called by the rest of `local/`. Every method may be repeated; errors are the domain's.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc as services
from rokcsi.local.csi_calls import Answer, Calls, Patience, open_channel
from rokcsi.model import errors
from rokcsi.model.pool import Capacity
from rokcsi.model.provisioner import NOTHING_SAID, SaidOfGroup
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.model.volume import Labels

P = ParamSpec("P")
M = TypeVar("M")
FREEZE_WINDOW, CONSISTENCY = "rokcsi-freeze-window-seconds", "rokcsi-consistency"
_OF_POOL = "rokcsi-pool-"
_LABELS = "rokcsi-labels-bin"
_PAGE = 500
_PROBE_SECONDS = 5.0

_OF_VOLUMES = {
    grpc.StatusCode.NOT_FOUND: errors.SnapshotNotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.VolumeDiffers,
}
_OF_GROUPS = {grpc.StatusCode.NOT_FOUND: errors.VolumeNotFound, grpc.StatusCode.ALREADY_EXISTS: errors.GroupDiffers}
_OF_A_GROUP = {grpc.StatusCode.NOT_FOUND: errors.GroupNotFound}
_ON_THE_NODE = {grpc.StatusCode.NOT_FOUND: errors.VolumeNotFound, grpc.StatusCode.ALREADY_EXISTS: errors.TargetDiffers}


@dataclass(frozen=True, slots=True)
class VolumeOrder:
    """A volume asked for; `parameters` are what external-provisioner adds to the class's."""

    name: str
    size: Bytes
    filesystem: str
    from_snapshot: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProvisionedVolume:
    """A volume of the driver; `context` is handed back to it with every mount."""

    handle: str
    size: Bytes
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One snapshot of a group; `volume` and `snapshot` are handles."""

    volume: str
    snapshot: str
    size: Bytes


@dataclass(frozen=True, slots=True)
class SnapshotGroup:
    """Snapshots cut at one instant, with what the driver says of that instant."""

    handle: str
    created_at: dt.datetime
    members: tuple[GroupMember, ...]
    freeze_window_seconds: float
    consistency: Consistency


@dataclass(frozen=True, slots=True)
class DescribedSnapshot:
    """One snapshot, with what the driver says of its instant and what was said when it was cut."""

    handle: str
    volume: str
    created_at: dt.datetime
    size: Bytes
    freeze_window_seconds: float
    consistency: Consistency
    labels: Labels


@dataclass(frozen=True, slots=True)
class StagedVolume:
    """A volume as this node mounts it: where it is staged, and what the driver wants to hear."""

    handle: str
    filesystem: str
    staging: Path
    context: Mapping[str, str]


def _in_our_words(message: Callable[P, M]) -> Callable[P, M]:
    """Raise InvalidRequest where a value fits into no message: a size beyond int64, a text that is no UTF-8."""

    @wraps(message)
    def translated(*args: P.args, **kwargs: P.kwargs) -> M:
        try:
            return message(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise errors.InvalidRequest(f"the driver cannot be asked for that: {error}") from error

    return translated


def _capability(filesystem: str) -> csi.VolumeCapability:
    """Several pods of this one machine may write: two parallel steps share the workspace's clone."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume(fs_type=filesystem),
        access_mode=csi.VolumeCapability.AccessMode(mode=csi.VolumeCapability.AccessMode.SINGLE_NODE_MULTI_WRITER),
    )


class CsiClient:
    """A driver's controller, group controller and node services, behind one socket."""

    def __init__(self, socket: Path, *, how_to_start: str | None = None, patience: Patience | None = None) -> None:
        start = how_to_start or f"rokcsi serve all --endpoint unix://{socket}"
        self._call = Calls(socket, start, patience or Patience())
        self._channel = open_channel(socket)
        self._identity = services.IdentityStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._controller = services.ControllerStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._groups = services.GroupControllerStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._node = services.NodeStub(self._channel)  # type: ignore[no-untyped-call]  # generated code

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def is_ready(self) -> bool:
        """Ask once whether the driver answers and is well."""
        try:
            answer = self._identity.Probe(csi.ProbeRequest(), timeout=_PROBE_SECONDS)
        except grpc.RpcError:
            return False
        return not answer.HasField("ready") or bool(answer.ready.value)

    def capacity(self) -> Capacity:
        """Ask how much room the driver's pool has."""
        answer = self._call(self._controller.GetCapacity, csi.GetCapacityRequest())
        facts = {
            key.removeprefix(_OF_POOL): value for key, value in answer.trailing.items() if key.startswith(_OF_POOL)
        }
        sizes = {name: Bytes(int(facts.get(name, 0))) for name in ("total", "used", "promised", "kept")}
        share = facts.get("metadata-used")
        return Capacity(
            available=Bytes(answer.message.available_capacity),
            metadata_used=None if share is None else float(share),
            **sizes,
        )

    def create_volume(self, order: VolumeOrder) -> ProvisionedVolume:
        """Make a volume, or find the one of this name; raise VolumeDiffers, SnapshotNotFound, PoolFull, SizeOutOfRange."""
        volume = self._call(self._controller.CreateVolume, _volume_request(order), _OF_VOLUMES).message.volume
        return ProvisionedVolume(volume.volume_id, Bytes(volume.capacity_bytes), dict(volume.volume_context))

    def delete_volume(self, handle: str) -> None:
        """Remove a volume; raise StillInUse."""
        self._call(self._controller.DeleteVolume, csi.DeleteVolumeRequest(volume_id=handle))

    def cut(
        self, name: str, volumes: Sequence[str], parameters: Mapping[str, str], said: SaidOfGroup = NOTHING_SAID
    ) -> SnapshotGroup:
        """Snapshot these volumes at one instant, or find the group of this name; raise GroupDiffers, VolumeNotFound, PoolFull."""
        request, beside = _cut_request(name, volumes, parameters), _beside(said)
        return _group(self._call(self._groups.CreateVolumeGroupSnapshot, request, _OF_GROUPS, beside))

    def members_of_groups(self) -> Iterator[tuple[str, str]]:
        """Give all snapshots that are members of a group, as pairs of the group's handle and the snapshot's."""
        token = ""
        while True:
            request = csi.ListSnapshotsRequest(max_entries=_PAGE, starting_token=token)
            found = self._call(self._controller.ListSnapshots, request).message
            for entry in found.entries:
                if entry.snapshot.group_snapshot_id:
                    yield entry.snapshot.group_snapshot_id, entry.snapshot.snapshot_id
            token = found.next_token
            if not token:
                return

    def snapshot(self, handle: str) -> DescribedSnapshot:
        """Give one snapshot, with what was said of it; raise SnapshotNotFound."""
        answer = self._call(self._controller.GetSnapshot, csi.GetSnapshotRequest(snapshot_id=handle), _OF_VOLUMES)
        return _described(answer)

    def group(self, handle: str) -> SnapshotGroup:
        """Give a group by its handle; raise GroupNotFound."""
        request = csi.GetVolumeGroupSnapshotRequest(group_snapshot_id=handle)
        return _group(self._call(self._groups.GetVolumeGroupSnapshot, request, _OF_A_GROUP))

    def delete_group(self, handle: str, snapshots: Sequence[str]) -> None:
        """Remove a group with all its snapshots."""
        request = csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=handle, snapshot_ids=snapshots)
        self._call(self._groups.DeleteVolumeGroupSnapshot, request)

    def stage(self, volume: StagedVolume) -> None:
        """Have the volume mounted once for this node; raise VolumeNotFound."""
        self._call(self._node.NodeStageVolume, _stage_request(volume), _ON_THE_NODE)

    def unstage(self, handle: str, staging: Path) -> None:
        """Undo `stage`; raise StillInUse."""
        request = csi.NodeUnstageVolumeRequest(volume_id=handle, staging_target_path=str(staging))
        with suppress(errors.VolumeNotFound):  # it is gone, its mounts with it
            self._call(self._node.NodeUnstageVolume, request, _ON_THE_NODE)

    def publish(self, volume: StagedVolume, target: Path, *, readonly: bool, pod: Mapping[str, str]) -> None:
        """Have a staged volume shown at a pod's path; `pod` is what kubelet tells of the pod."""
        request = _publish_request(volume, target, pod, readonly=readonly)
        self._call(self._node.NodePublishVolume, request, _ON_THE_NODE)

    def unpublish(self, handle: str, target: Path) -> None:
        """Undo `publish`."""
        request = csi.NodeUnpublishVolumeRequest(volume_id=handle, target_path=str(target))
        with suppress(errors.VolumeNotFound):  # it is gone, its mounts with it
            self._call(self._node.NodeUnpublishVolume, request, _ON_THE_NODE)


@_in_our_words
def _volume_request(order: VolumeOrder) -> csi.CreateVolumeRequest:
    request = csi.CreateVolumeRequest(
        name=order.name,
        capacity_range=csi.CapacityRange(required_bytes=order.size),
        volume_capabilities=[_capability(order.filesystem)],
        parameters=order.parameters,
    )
    if order.from_snapshot is not None:
        request.volume_content_source.snapshot.snapshot_id = order.from_snapshot
    return request


@_in_our_words
def _cut_request(
    name: str, volumes: Sequence[str], parameters: Mapping[str, str]
) -> csi.CreateVolumeGroupSnapshotRequest:
    return csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volumes, parameters=parameters)


@_in_our_words
def _stage_request(volume: StagedVolume) -> csi.NodeStageVolumeRequest:
    return csi.NodeStageVolumeRequest(
        volume_id=volume.handle,
        staging_target_path=str(volume.staging),
        volume_capability=_capability(volume.filesystem),
        volume_context=volume.context,
    )


@_in_our_words
def _publish_request(
    volume: StagedVolume, target: Path, pod: Mapping[str, str], *, readonly: bool
) -> csi.NodePublishVolumeRequest:
    return csi.NodePublishVolumeRequest(
        volume_id=volume.handle,
        staging_target_path=str(volume.staging),
        target_path=str(target),
        volume_capability=_capability(volume.filesystem),
        readonly=readonly,
        volume_context={**volume.context, **pod},
    )


def _beside(said: SaidOfGroup) -> tuple[tuple[str, bytes], ...]:
    if said == NOTHING_SAID:
        return ()
    content = {"all": dict(said.of_all), "volumes": {handle: dict(own) for handle, own in said.of_volumes.items()}}
    return ((_LABELS, json.dumps(content).encode()),)


def _described(answer: Answer) -> DescribedSnapshot:
    snapshot = answer.message.snapshot
    return DescribedSnapshot(
        handle=snapshot.snapshot_id,
        volume=snapshot.source_volume_id,
        created_at=snapshot.creation_time.ToDatetime(tzinfo=dt.UTC),
        size=Bytes(snapshot.size_bytes),
        freeze_window_seconds=float(answer.trailing.get(FREEZE_WINDOW, 0.0)),
        consistency=Consistency(answer.trailing.get(CONSISTENCY, Consistency.FROZEN)),
        labels=json.loads(answer.trailing.get(_LABELS, "{}")),
    )


def _group(answer: Answer) -> SnapshotGroup:
    group = answer.message.group_snapshot
    members = tuple(
        GroupMember(member.source_volume_id, member.snapshot_id, Bytes(member.size_bytes)) for member in group.snapshots
    )
    return SnapshotGroup(
        handle=group.group_snapshot_id,
        created_at=group.creation_time.ToDatetime(tzinfo=dt.UTC),
        members=members,
        freeze_window_seconds=float(answer.trailing.get(FREEZE_WINDOW, 0.0)),
        consistency=Consistency(answer.trailing.get(CONSISTENCY, Consistency.FROZEN)),
    )
