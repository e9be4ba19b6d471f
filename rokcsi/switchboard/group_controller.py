"""CSI's GroupController service for a whole cluster: a group lives on one node."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from rokcsi.csi.alike import AnyGroupController
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.requests import group_request, handles
from rokcsi.csi.texts import required
from rokcsi.model.errors import NotFound, NotSupported
from rokcsi.model.ids import pool_of_group, pool_of_volume
from rokcsi.switchboard.directory import Directory, Route
from rokcsi.switchboard.relay import Relay


class SwitchboardGroups(AnyGroupController):
    """Checks a request's form, finds the node, passes the request on."""

    def __init__(self, directory: Directory, relay: Relay) -> None:
        self._directory = directory
        self._relay = relay

    def CreateVolumeGroupSnapshot(
        self, request: csi.CreateVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.CreateVolumeGroupSnapshotResponse:
        """Have a group cut on the one node where all its volumes are."""
        route = self._one_node(group_request(request).volumes)
        cut: csi.CreateVolumeGroupSnapshotResponse = self._relay.pass_on(route, request, context)
        return cut

    def DeleteVolumeGroupSnapshot(
        self, request: csi.DeleteVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.DeleteVolumeGroupSnapshotResponse:
        """Have a group removed; one that cannot be, or whose node is gone for good, is removed already."""
        try:
            answer = self._of_group(request.group_snapshot_id, request.snapshot_ids, request, context)
        except NotFound:
            return csi.DeleteVolumeGroupSnapshotResponse()
        deleted: csi.DeleteVolumeGroupSnapshotResponse = answer
        return deleted

    def GetVolumeGroupSnapshot(
        self, request: csi.GetVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.GetVolumeGroupSnapshotResponse:
        """Ask the group's node."""
        found: csi.GetVolumeGroupSnapshotResponse = self._of_group(
            request.group_snapshot_id, request.snapshot_ids, request, context
        )
        return found

    def _of_group(self, handle: str, members: Sequence[str], request: Message, context: grpc.ServicerContext) -> Any:
        group = required("group_snapshot_id", handle)
        handles("snapshot_ids", members)
        return self._relay.pass_on(self._directory.of_pool(pool_of_group(group)), request, context)

    def _one_node(self, volumes: Sequence[str]) -> Route:
        pools = sorted({pool_of_volume(volume) for volume in volumes})
        if len(pools) > 1:
            names = " and ".join(self._directory.node_of(pool) for pool in pools)
            raise NotSupported(
                f"these volumes are on the nodes {names}; volumes of one node only are snapshotted together"
            )
        return self._directory.of_pool(pools[0])
