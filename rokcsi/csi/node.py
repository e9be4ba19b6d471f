"""CSI's Node service: a volume made visible to the pods of this node."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

import grpc

from rokcsi.csi import offered
from rokcsi.csi.capabilities import access_of
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.node_requests import publish_request, stage_request
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.csi.requests import size_range
from rokcsi.csi.responses import stats_message, topology_message
from rokcsi.csi.texts import path_of, place_of, required
from rokcsi.model.node import NodeVolumes


class NodeService(csi_pb2_grpc.NodeServicer):
    """Translates, asks the node's volumes, translates back."""

    def __init__(self, volumes: NodeVolumes, driver: DriverIdentity) -> None:
        self._volumes = volumes
        self._driver = driver

    def NodeStageVolume(
        self, request: csi.NodeStageVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeStageVolumeResponse:
        """Make the volume ready once for this node."""
        del context
        self._volumes.stage(stage_request(request))
        return csi.NodeStageVolumeResponse()

    def NodeUnstageVolume(
        self, request: csi.NodeUnstageVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeUnstageVolumeResponse:
        """Undo NodeStageVolume."""
        del context
        volume = required("volume_id", request.volume_id)
        self._volumes.unstage(volume, path_of("staging_target_path", request.staging_target_path))
        return csi.NodeUnstageVolumeResponse()

    def NodePublishVolume(
        self, request: csi.NodePublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodePublishVolumeResponse:
        """Show the volume to one pod."""
        del context
        self._volumes.publish(publish_request(request))
        return csi.NodePublishVolumeResponse()

    def NodeUnpublishVolume(
        self, request: csi.NodeUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeUnpublishVolumeResponse:
        """Undo NodePublishVolume."""
        del context
        volume = required("volume_id", request.volume_id)
        self._volumes.unpublish(volume, path_of("target_path", request.target_path))
        return csi.NodeUnpublishVolumeResponse()

    def NodeGetVolumeStats(
        self, request: csi.NodeGetVolumeStatsRequest, context: grpc.ServicerContext
    ) -> csi.NodeGetVolumeStatsResponse:
        """Give what is used of the volume."""
        del context
        volume = required("volume_id", request.volume_id)
        return stats_message(self._volumes.stats(volume, place_of("volume_path", request.volume_path)))

    def NodeExpandVolume(
        self, request: csi.NodeExpandVolumeRequest, context: grpc.ServicerContext
    ) -> csi.NodeExpandVolumeResponse:
        """Grow the file system to its volume."""
        del context
        volume = required("volume_id", request.volume_id)
        path = place_of("volume_path", request.volume_path)
        if request.HasField("volume_capability"):
            access_of(request.volume_capability)
        size = self._volumes.expand(volume, path, size_range(request.capacity_range))
        return csi.NodeExpandVolumeResponse(capacity_bytes=size)

    def NodeGetCapabilities(
        self, request: csi.NodeGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.NodeGetCapabilitiesResponse:
        """Give what this service can do."""
        del request, context
        return offered.node_capabilities()

    def NodeGetInfo(self, request: csi.NodeGetInfoRequest, context: grpc.ServicerContext) -> csi.NodeGetInfoResponse:
        """Give this node's name, place and limit."""
        del request, context
        return csi.NodeGetInfoResponse(
            node_id=self._driver.node_id,
            max_volumes_per_node=self._driver.max_volumes_per_node,
            accessible_topology=topology_message(self._driver),
        )
