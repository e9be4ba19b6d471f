"""What the controller services answer alike, whether a node or the switchboard is asked: what is offered, and what never is."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

import grpc

from rokcsi.csi import offered
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.model.errors import NotSupported

_NEVER_ATTACHED = "there is no attach step: volumes live on their node; set attachRequired: false in the CSIDriver"


class AnyController(csi_pb2_grpc.ControllerServicer):
    """A Controller service of this driver, without what it does with volumes."""

    def ControllerGetCapabilities(
        self, request: csi.ControllerGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.ControllerGetCapabilitiesResponse:
        """Give what this service can do."""
        del request, context
        return offered.controller_capabilities()

    def ControllerPublishVolume(
        self, request: csi.ControllerPublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerPublishVolumeResponse:
        """Refuse: volumes live on their node."""
        del request, context
        raise NotSupported(_NEVER_ATTACHED)

    def ControllerUnpublishVolume(
        self, request: csi.ControllerUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerUnpublishVolumeResponse:
        """Refuse: volumes live on their node."""
        del request, context
        raise NotSupported(_NEVER_ATTACHED)


class AnyGroupController(csi_pb2_grpc.GroupControllerServicer):
    """A GroupController service of this driver, without what it does with groups."""

    def GroupControllerGetCapabilities(
        self, request: csi.GroupControllerGetCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.GroupControllerGetCapabilitiesResponse:
        """Give what this service can do."""
        del request, context
        return offered.group_controller_capabilities()
