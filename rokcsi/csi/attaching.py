"""The two methods of CSI's Controller service that are about attaching, which volumes that live on their node do not need."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.model.errors import NotSupported

_WHY = "there is no attach step: volumes live on their node; set attachRequired: false in the CSIDriver"


class NeverAttached(csi_pb2_grpc.ControllerServicer):
    """A Controller service without an attach step."""

    def ControllerPublishVolume(
        self, request: csi.ControllerPublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerPublishVolumeResponse:
        """Refuse: volumes live on their node."""
        del request, context
        raise NotSupported(_WHY)

    def ControllerUnpublishVolume(
        self, request: csi.ControllerUnpublishVolumeRequest, context: grpc.ServicerContext
    ) -> csi.ControllerUnpublishVolumeResponse:
        """Refuse: volumes live on their node."""
        del request, context
        raise NotSupported(_WHY)
