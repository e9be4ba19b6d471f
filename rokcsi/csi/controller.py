"""CSI's Controller service: volumes and snapshots."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

import grpc

from rokcsi.csi.alike import AnyController
from rokcsi.csi.capabilities import CapabilityNotSupported, check_fits
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.paging import page
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.requests import (
    capacity_request,
    expansion_range,
    mutable_parameters,
    snapshot_filter,
    snapshot_request,
    volume_request,
)
from rokcsi.csi.responses import capacity_facts, capacity_message, freeze_facts, snapshot_message, volume_message
from rokcsi.csi.said import said_of_snapshot
from rokcsi.csi.texts import required
from rokcsi.csi.topology import check_reachable, is_here
from rokcsi.csi.validation import validated
from rokcsi.model.provisioner import Provisioner


class ControllerService(AnyController):
    """Translates, asks the provisioner, translates back."""

    def __init__(self, provisioner: Provisioner, driver: DriverIdentity) -> None:
        self._provisioner = provisioner
        self._driver = driver

    @property
    def _pool(self) -> str:
        return self._provisioner.handles.pool

    def CreateVolume(self, request: csi.CreateVolumeRequest, context: grpc.ServicerContext) -> csi.CreateVolumeResponse:
        """Make a volume, or find the one made before."""
        del context
        wanted = volume_request(request)
        check_reachable(request.accessibility_requirements, self._driver)
        volume = self._provisioner.provision(wanted)
        return csi.CreateVolumeResponse(volume=volume_message(volume, self._provisioner.handles, self._driver))

    def DeleteVolume(self, request: csi.DeleteVolumeRequest, context: grpc.ServicerContext) -> csi.DeleteVolumeResponse:
        """Remove a volume; an unknown one is removed already."""
        del context
        self._provisioner.remove_volume(required("volume_id", request.volume_id))
        return csi.DeleteVolumeResponse()

    def ValidateVolumeCapabilities(
        self, request: csi.ValidateVolumeCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        """Tell whether a volume can be used as asked."""
        del context
        return validated(request, self._provisioner)

    def ListVolumes(self, request: csi.ListVolumesRequest, context: grpc.ServicerContext) -> csi.ListVolumesResponse:
        """Give a page of the volumes."""
        del context
        volumes = self._provisioner.volumes()
        query = f"volumes {self._pool}"
        found = page(volumes, lambda volume: volume.id, query, request.max_entries, request.starting_token)
        messages = (volume_message(volume, self._provisioner.handles, self._driver) for volume in found.items)
        entries = [csi.ListVolumesResponse.Entry(volume=message) for message in messages]
        return csi.ListVolumesResponse(entries=entries, next_token=found.next_token)

    def GetCapacity(self, request: csi.GetCapacityRequest, context: grpc.ServicerContext) -> csi.GetCapacityResponse:
        """Give the room for such volumes: none elsewhere, none for a kind that is not made here; more of it as trailing metadata."""
        try:
            wanted = capacity_request(request)
        except CapabilityNotSupported:
            return csi.GetCapacityResponse(available_capacity=0)
        if not is_here(request.accessible_topology, self._driver):
            return csi.GetCapacityResponse(available_capacity=0)
        capacity = self._provisioner.capacity(wanted)
        context.set_trailing_metadata(capacity_facts(capacity))
        return capacity_message(capacity)

    def CreateSnapshot(
        self, request: csi.CreateSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.CreateSnapshotResponse:
        """Cut a snapshot, or find the one cut before; the freeze facts go along as trailing metadata."""
        snapshot = self._provisioner.cut(snapshot_request(request))
        context.set_trailing_metadata(freeze_facts([snapshot]))
        return csi.CreateSnapshotResponse(snapshot=snapshot_message(snapshot, self._provisioner.handles))

    def DeleteSnapshot(
        self, request: csi.DeleteSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.DeleteSnapshotResponse:
        """Remove a snapshot; an unknown one is removed already, a group's member goes only with its group."""
        del context
        self._provisioner.remove_snapshot(required("snapshot_id", request.snapshot_id))
        return csi.DeleteSnapshotResponse()

    def ListSnapshots(
        self, request: csi.ListSnapshotsRequest, context: grpc.ServicerContext
    ) -> csi.ListSnapshotsResponse:
        """Give a page of the snapshots, of one volume or one only when asked."""
        del context
        which = snapshot_filter(request)
        query = f"snapshots {self._pool} {which.snapshot} {which.volume}"
        snapshots = self._provisioner.snapshots(which)
        found = page(snapshots, lambda snapshot: snapshot.id, query, request.max_entries, request.starting_token)
        handles = self._provisioner.handles
        messages = (snapshot_message(snapshot, handles, which.snapshot) for snapshot in found.items)
        entries = [csi.ListSnapshotsResponse.Entry(snapshot=message) for message in messages]
        return csi.ListSnapshotsResponse(entries=entries, next_token=found.next_token)

    def GetSnapshot(self, request: csi.GetSnapshotRequest, context: grpc.ServicerContext) -> csi.GetSnapshotResponse:
        """Give one snapshot; the freeze facts and what was said of it go along as trailing metadata."""
        handle = required("snapshot_id", request.snapshot_id)
        snapshot = self._provisioner.snapshot(handle)
        context.set_trailing_metadata((*freeze_facts([snapshot]), *said_of_snapshot(snapshot)))
        return csi.GetSnapshotResponse(snapshot=snapshot_message(snapshot, self._provisioner.handles, handle))

    def ControllerExpandVolume(
        self, request: csi.ControllerExpandVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerExpandVolumeResponse:
        """Make a volume larger; a file system on it is grown by the node afterwards."""
        del context
        handle = required("volume_id", request.volume_id)
        wanted = expansion_range(request)
        if request.HasField("volume_capability"):
            check_fits(request.volume_capability, self._provisioner.volume(handle))
        volume = self._provisioner.expand(handle, wanted)
        return csi.ControllerExpandVolumeResponse(
            capacity_bytes=volume.size, node_expansion_required=volume.filesystem is not None
        )

    def ControllerGetVolume(
        self, request: csi.ControllerGetVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerGetVolumeResponse:
        """Give one volume."""
        del context
        volume = self._provisioner.volume(required("volume_id", request.volume_id))
        return csi.ControllerGetVolumeResponse(
            volume=volume_message(volume, self._provisioner.handles, self._driver),
            status=csi.ControllerGetVolumeResponse.VolumeStatus(),
        )

    def ControllerModifyVolume(
        self, request: csi.ControllerModifyVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerModifyVolumeResponse:
        """Change what can be changed of a volume's behaviour."""
        del context
        handle = required("volume_id", request.volume_id)
        self._provisioner.modify(handle, mutable_parameters(request.mutable_parameters))
        return csi.ControllerModifyVolumeResponse()
