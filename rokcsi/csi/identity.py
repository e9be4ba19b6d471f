"""CSI's Identity service: who the driver is, and whether it is ready."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc
from google.protobuf import wrappers_pb2

from rokcsi.csi import offered
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc


class IdentityService(csi_pb2_grpc.IdentityServicer):
    """Answers for `driver`; `ready` tells whether calls can be served, `manifest` what else is to be known of it."""

    def __init__(self, driver: DriverIdentity, ready: Callable[[], bool], manifest: Mapping[str, str]) -> None:
        self._driver = driver
        self._ready = ready
        self._manifest = manifest

    def GetPluginInfo(
        self, request: csi.GetPluginInfoRequest, context: grpc.ServicerContext
    ) -> csi.GetPluginInfoResponse:
        """Give the name and version, and what a node announces of itself."""
        del request, context
        return csi.GetPluginInfoResponse(
            name=self._driver.name, vendor_version=self._driver.version, manifest=self._manifest
        )

    def GetPluginCapabilities(
        self, request: csi.GetPluginCapabilitiesRequest, context: grpc.ServicerContext
    ) -> csi.GetPluginCapabilitiesResponse:
        """Give what the driver as a whole can do."""
        del request, context
        return offered.plugin_capabilities()

    def Probe(self, request: csi.ProbeRequest, context: grpc.ServicerContext) -> csi.ProbeResponse:
        """Tell whether the driver is ready."""
        del request, context
        return csi.ProbeResponse(ready=wrappers_pb2.BoolValue(value=self._ready()))
