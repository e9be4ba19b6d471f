"""CSI's Controller service for a whole cluster: each call goes to the node that has the data."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from rokcsi.csi.alike import AnyController
from rokcsi.csi.capabilities import CapabilityNotSupported, check_all_forms
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.requests import capacity_request, expansion_range, snapshot_filter, snapshot_request, volume_request
from rokcsi.csi.texts import required
from rokcsi.model.errors import NotFound
from rokcsi.model.ids import PoolId, pool_of_snapshot, pool_of_volume
from rokcsi.switchboard.claim_origins import ClaimOrigins
from rokcsi.switchboard.directory import Directory
from rokcsi.switchboard.fan_out import FanOut
from rokcsi.switchboard.lists import listed
from rokcsi.switchboard.placement import place_for
from rokcsi.switchboard.relay import Relay
from rokcsi.switchboard.room import room_at


class SwitchboardController(AnyController):
    """Checks a request's form, finds the node, passes the request on."""

    def __init__(self, directory: Directory, relay: Relay, origins: ClaimOrigins | None = None) -> None:
        self._directory = directory
        self._relay = relay
        self._origins = origins

    def CreateVolume(self, request: csi.CreateVolumeRequest, context: grpc.ServicerContext) -> csi.CreateVolumeResponse:
        """Have a volume made where its source is, or where the topology asks for it."""
        if self._origins is not None:
            request = self._origins.filled(request)
        route = place_for(volume_request(request), request.accessibility_requirements, self._directory)
        created: csi.CreateVolumeResponse = self._relay.pass_on(route, request, context)
        return created

    def DeleteVolume(self, request: csi.DeleteVolumeRequest, context: grpc.ServicerContext) -> csi.DeleteVolumeResponse:
        """Have a volume removed; one that cannot be, or whose node is gone for good, is removed already."""
        try:
            answer = self._of_volume(request.volume_id, request, context)
        except NotFound:
            return csi.DeleteVolumeResponse()
        deleted: csi.DeleteVolumeResponse = answer
        return deleted

    def ValidateVolumeCapabilities(
        self, request: csi.ValidateVolumeCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        """Ask the volume's node."""
        required("volume_id", request.volume_id)
        check_all_forms(request.volume_capabilities)
        told: csi.ValidateVolumeCapabilitiesResponse = self._of_volume(request.volume_id, request, context)
        return told

    def ListVolumes(self, request: csi.ListVolumesRequest, context: grpc.ServicerContext) -> csi.ListVolumesResponse:
        """Give a page of the volumes of all nodes that are there."""
        response = csi.ListVolumesResponse()
        listed(request, response, self._all(context), "volumes")
        return response

    def GetCapacity(self, request: csi.GetCapacityRequest, context: grpc.ServicerContext) -> csi.GetCapacityResponse:
        """Give the room at a place, or the sum over all nodes that are there."""
        try:
            capacity_request(request)
        except CapabilityNotSupported:
            return csi.GetCapacityResponse(available_capacity=0)
        return room_at(request, context, self._directory, self._relay)

    def CreateSnapshot(
        self, request: csi.CreateSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.CreateSnapshotResponse:
        """Have a snapshot cut where the volume is."""
        wanted = snapshot_request(request)
        cut: csi.CreateSnapshotResponse = self._of_volume(wanted.volume, request, context)
        return cut

    def DeleteSnapshot(
        self, request: csi.DeleteSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.DeleteSnapshotResponse:
        """Have a snapshot removed; one that cannot be, or whose node is gone for good, is removed already."""
        try:
            answer = self._of_snapshot(request.snapshot_id, request, context)
        except NotFound:
            return csi.DeleteSnapshotResponse()
        deleted: csi.DeleteSnapshotResponse = answer
        return deleted

    def ListSnapshots(
        self, request: csi.ListSnapshotsRequest, context: grpc.ServicerContext
    ) -> csi.ListSnapshotsResponse:
        """Give a page of the snapshots of all nodes that are there; of one volume, or one only, from its node."""
        which = snapshot_filter(request)
        try:
            if which.snapshot is not None:
                return self._listed_at(pool_of_snapshot(which.snapshot), request, context)
            if which.volume is not None:
                return self._listed_at(pool_of_volume(which.volume), request, context)
        except NotFound:
            return csi.ListSnapshotsResponse()
        response = csi.ListSnapshotsResponse()
        listed(request, response, self._all(context), "snapshots")
        return response

    def GetSnapshot(self, request: csi.GetSnapshotRequest, context: grpc.ServicerContext) -> csi.GetSnapshotResponse:
        """Ask the snapshot's node."""
        found: csi.GetSnapshotResponse = self._of_snapshot(request.snapshot_id, request, context)
        return found

    def ControllerExpandVolume(
        self, request: csi.ControllerExpandVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerExpandVolumeResponse:
        """Have a volume grown where it is."""
        required("volume_id", request.volume_id)
        expansion_range(request)
        grown: csi.ControllerExpandVolumeResponse = self._of_volume(request.volume_id, request, context)
        return grown

    def ControllerGetVolume(
        self, request: csi.ControllerGetVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerGetVolumeResponse:
        """Ask the volume's node."""
        found: csi.ControllerGetVolumeResponse = self._of_volume(request.volume_id, request, context)
        return found

    def ControllerModifyVolume(
        self, request: csi.ControllerModifyVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerModifyVolumeResponse:
        """Have a volume changed where it is."""
        changed: csi.ControllerModifyVolumeResponse = self._of_volume(request.volume_id, request, context)
        return changed

    def _of_volume(self, handle: str, request: Message, context: grpc.ServicerContext) -> Any:
        return self._passed_on(pool_of_volume, required("volume_id", handle), request, context)

    def _of_snapshot(self, handle: str, request: Message, context: grpc.ServicerContext) -> Any:
        return self._passed_on(pool_of_snapshot, required("snapshot_id", handle), request, context)

    def _passed_on(
        self, pool_of: Callable[[str], PoolId], handle: str, request: Message, context: grpc.ServicerContext
    ) -> Any:
        return self._relay.pass_on(self._directory.of_pool(pool_of(handle)), request, context)

    def _listed_at(
        self, pool: PoolId, request: csi.ListSnapshotsRequest, context: grpc.ServicerContext
    ) -> csi.ListSnapshotsResponse:
        found: csi.ListSnapshotsResponse = self._relay.pass_on(self._directory.of_pool(pool), request, context)
        return found

    def _all(self, context: grpc.ServicerContext) -> FanOut:
        return FanOut(self._directory, self._relay.routes, context)
