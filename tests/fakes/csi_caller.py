"""Calls to a CSI driver, and the requests that tests make most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc

GIB = 1 << 30
MIB = 1 << 20
TIMEOUT_SECONDS = 30.0


class Refused(Exception):
    """What the driver answered instead: `code` and `message`."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


@dataclass(slots=True)
class CsiCaller:
    """The methods of all four services by their names; refusals are raised as Refused."""

    channel: grpc.Channel

    def call(self, method: str, request: Any, timeout: float | None = TIMEOUT_SECONDS) -> Any:
        """Make a call by the method's name."""
        return self.call_with_metadata(method, request, timeout)[0]

    def call_with_metadata(
        self,
        method: str,
        request: Any,
        timeout: float | None = TIMEOUT_SECONDS,
        metadata: Sequence[tuple[str, str | bytes]] = (),
    ) -> tuple[Any, dict[str, str]]:
        """Make a call, with metadata beside it; give the response and the trailing metadata."""
        stub: Any = getattr(stub_with(self.channel, method), method)
        try:
            response, call = stub.with_call(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            told: Any = error
            raise Refused(told.code(), told.details()) from error
        return response, {key: _text(value) for key, value in call.trailing_metadata()}

    def volume(self, name: str = "v", **fields: Any) -> csi.Volume:
        """Make a mounted volume of 1 GiB, or as the fields say."""
        created: csi.Volume = self.call("CreateVolume", create_request(name, **fields)).volume
        return created

    def snapshot(self, volume_id: str, name: str = "s") -> csi.Snapshot:
        """Cut a snapshot."""
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=volume_id)
        cut: csi.Snapshot = self.call("CreateSnapshot", request).snapshot
        return cut

    def group(self, volume_ids: Sequence[str], name: str = "g") -> csi.VolumeGroupSnapshot:
        """Cut a group."""
        request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volume_ids)
        cut: csi.VolumeGroupSnapshot = self.call("CreateVolumeGroupSnapshot", request).group_snapshot
        return cut


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def stub_with(channel: grpc.Channel, method: str) -> Any:
    """Give the stub of the service that has this method."""
    for service in csi.DESCRIPTOR.services_by_name.values():
        if method in service.methods_by_name:
            return getattr(csi_pb2_grpc, f"{service.name}Stub")(channel)
    raise KeyError(method)


def mount_capability(mode: str = "SINGLE_NODE_WRITER", fs_type: str = "", **fields: Any) -> csi.VolumeCapability:
    """Give a capability for files."""
    return csi.VolumeCapability(
        mount=csi.VolumeCapability.MountVolume(fs_type=fs_type, **fields), access_mode=access_mode(mode)
    )


def block_capability(mode: str = "SINGLE_NODE_WRITER") -> csi.VolumeCapability:
    """Give a capability for a raw device."""
    return csi.VolumeCapability(block=csi.VolumeCapability.BlockVolume(), access_mode=access_mode(mode))


def access_mode(mode: str) -> csi.VolumeCapability.AccessMode:
    """Give an access mode by its name in CSI."""
    return csi.VolumeCapability.AccessMode(mode=cast("Any", csi.VolumeCapability.AccessMode.Mode.Value(mode)))


def create_request(name: str = "v", size: int = GIB, limit: int = 0, **fields: Any) -> csi.CreateVolumeRequest:
    """Give a request for a mounted volume."""
    fields.setdefault("volume_capabilities", [mount_capability()])
    capacity = csi.CapacityRange(required_bytes=size, limit_bytes=limit)
    return csi.CreateVolumeRequest(name=name, **{"capacity_range": capacity, **fields})


def from_snapshot(snapshot_id: str) -> csi.VolumeContentSource:
    """Give the source of a clone."""
    return csi.VolumeContentSource(snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id=snapshot_id))


def from_volume(volume_id: str) -> csi.VolumeContentSource:
    """Give the source of a copy."""
    return csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id=volume_id))
