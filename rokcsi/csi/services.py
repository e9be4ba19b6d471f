"""Which of CSI's services stand together on one server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from rokcsi.csi.announcement import manifest_of
from rokcsi.csi.controller import ControllerService
from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.group_controller import GroupControllerService
from rokcsi.csi.identity import IdentityService
from rokcsi.csi.node import NodeService
from rokcsi.csi.proto import csi_pb2_grpc
from rokcsi.model.node import NodeVolumes
from rokcsi.model.provisioner import Provisioner


@dataclass(frozen=True, slots=True)
class Services:
    """Identity and the two controllers; without `node`, nothing of the node can be asked for there."""

    identity: csi_pb2_grpc.IdentityServicer
    controller: csi_pb2_grpc.ControllerServicer
    groups: csi_pb2_grpc.GroupControllerServicer
    node: csi_pb2_grpc.NodeServicer | None = None

    def add_to(self, server: grpc.Server) -> None:
        """Have a server answer for these services."""
        generated: Any = csi_pb2_grpc  # protoc writes no types for it
        generated.add_IdentityServicer_to_server(self.identity, server)
        generated.add_ControllerServicer_to_server(self.controller, server)
        generated.add_GroupControllerServicer_to_server(self.groups, server)
        if self.node is not None:
            generated.add_NodeServicer_to_server(self.node, server)


def controllers(provisioner: Provisioner, identity: DriverIdentity, ready: Callable[[], bool]) -> Services:
    """Give what the switchboard may ask of a node; `ready` answers Probe."""
    announced = manifest_of(identity, provisioner.handles.pool)
    return Services(
        IdentityService(identity, ready, announced),
        ControllerService(provisioner, identity),
        GroupControllerService(provisioner),
    )


def whole_driver(
    provisioner: Provisioner, volumes: NodeVolumes, identity: DriverIdentity, ready: Callable[[], bool]
) -> Services:
    """Give everything that a driver of one machine answers."""
    part = controllers(provisioner, identity, ready)
    return Services(part.identity, part.controller, part.groups, NodeService(volumes, identity))
