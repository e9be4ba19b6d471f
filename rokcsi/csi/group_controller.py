"""CSI's GroupController service: snapshots of several volumes at one instant."""

# ruff: noqa: N802 - the methods bear the names that CSI gives them
from __future__ import annotations

from collections.abc import Collection, Sequence

import grpc

from rokcsi.csi.alike import AnyGroupController
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.requests import group_request, handles
from rokcsi.csi.responses import freeze_facts, group_message
from rokcsi.csi.said import said_of_group
from rokcsi.csi.texts import required
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import Provisioner
from rokcsi.model.snapshot import Snapshot


class GroupControllerService(AnyGroupController):
    """Translates, asks the provisioner, translates back."""

    def __init__(self, provisioner: Provisioner) -> None:
        self._provisioner = provisioner

    def CreateVolumeGroupSnapshot(
        self, request: csi.CreateVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.CreateVolumeGroupSnapshotResponse:
        """Cut the group, or find the one cut before; the freeze facts go along as trailing metadata."""
        said = said_of_group(context.invocation_metadata() or (), request.source_volume_ids)
        members = self._provisioner.cut_group(group_request(request, said))
        context.set_trailing_metadata(freeze_facts(members))
        return csi.CreateVolumeGroupSnapshotResponse(group_snapshot=self._message(members))

    def DeleteVolumeGroupSnapshot(
        self, request: csi.DeleteVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.DeleteVolumeGroupSnapshotResponse:
        """Remove the group with its members; an unknown one is removed already."""
        del context
        group = required("group_snapshot_id", request.group_snapshot_id)
        self._provisioner.remove_group(group, handles("snapshot_ids", request.snapshot_ids))
        return csi.DeleteVolumeGroupSnapshotResponse()

    def GetVolumeGroupSnapshot(
        self, request: csi.GetVolumeGroupSnapshotRequest, context: grpc.ServicerContext
    ) -> csi.GetVolumeGroupSnapshotResponse:
        """Give the group, when its members are those that the caller knows."""
        del context
        group = required("group_snapshot_id", request.group_snapshot_id)
        known = handles("snapshot_ids", request.snapshot_ids)
        members = self._provisioner.group(group)
        _check_members(known, {self._provisioner.handles.of_snapshot(member.id) for member in members})
        return csi.GetVolumeGroupSnapshotResponse(group_snapshot=self._message(members))

    def _message(self, members: Sequence[Snapshot]) -> csi.VolumeGroupSnapshot:
        group = next(member.group for member in members if member.group is not None)
        return group_message(self._provisioner.handles.of_group(group.id), members, self._provisioner.handles)


def _check_members(known: Collection[str], members: Collection[str]) -> None:
    if known and set(known) != set(members):
        raise InvalidRequest(f"snapshot_ids are not the group's members, which are: {', '.join(sorted(members))}")
