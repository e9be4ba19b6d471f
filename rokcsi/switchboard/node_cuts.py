"""Cuts by the nodes' own CSI, for the timeline: the same CreateVolumeGroupSnapshot that the sidecars send.

What the timeline says of a cut goes beside it, and comes back with the cut's snapshots.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from rokcsi.csi.interceptors import REQUEST_ID
from rokcsi.csi.peers import POOL
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.responses import CONSISTENCY, WINDOW
from rokcsi.csi.responses import POOL as POOL_FACT
from rokcsi.csi.said import LABELS, said_beside
from rokcsi.csi.status import Refusal
from rokcsi.model.cluster import LabelledCut, LabelledSnapshot
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import (
    CheckpointFailed,
    GroupDiffers,
    NodeForgotten,
    NotSupported,
    PoolElsewhere,
    PoolFull,
    RokcsiError,
    VolumeNotFound,
)
from rokcsi.model.ids import PoolId, pool_of_group, pool_of_volume
from rokcsi.model.provisioner import NOTHING_SAID, SaidOfGroup
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.model.visits import CutVolume, VolumeCut
from rokcsi.observe.logs import current_request
from rokcsi.switchboard.directory import Directory, Route
from rokcsi.switchboard.line import Metadata
from rokcsi.switchboard.relay import outcome

_LONGEST_SECONDS = 60.0
_PAGE = 500
_FINAL: Mapping[str, type[RokcsiError]] = {
    "NOT_FOUND": VolumeNotFound,
    "ALREADY_EXISTS": GroupDiffers,
    "RESOURCE_EXHAUSTED": PoolFull,
    "FAILED_PRECONDITION": NotSupported,
    "INVALID_ARGUMENT": NotSupported,
    "UNIMPLEMENTED": NotSupported,
}


class NodeCuts:
    """Fits `rokcsi.model.visits.VolumeCuts`, over the directory of nodes; safe for many threads."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def cut(self, name: str, volumes: Sequence[str], said: SaidOfGroup = NOTHING_SAID) -> VolumeCut:
        """Snapshot these volumes of one node; raise PoolElsewhere, NodeBusy, and what the node refuses."""
        request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volumes)
        answer, told = self._ask(self._directory.of_pool(pool_of_volume(volumes[0])), request, said_beside(said))
        return _cut(answer.group_snapshot, told)

    def pools(self) -> Sequence[PoolId]:
        """Give the pools of the nodes that answer."""
        return [route.pool for route in self._directory.answering()]

    def labelled(self, pool: PoolId, besides: Collection[str] = ()) -> Sequence[LabelledCut]:
        """Give all cuts of a pool but these with what was said of them, the oldest first; raise PoolElsewhere, NodeBusy."""
        route, groups = self._directory.of_pool(pool), defaultdict[str, list[csi.Snapshot]](list)
        for snapshot in self._snapshots(route):
            groups[snapshot.group_snapshot_id].append(snapshot)
        wanted = groups.keys() - {"", *besides}  # each member costs a call
        cuts = [self._labelled(route, handle, groups[handle]) for handle in wanted]
        return sorted((cut for cut in cuts if cut.snapshots), key=lambda cut: cut.created_at)

    def is_there(self, handle: str) -> bool:
        """Tell whether there is a cut; raise PoolElsewhere, NodeBusy."""
        request = csi.GetVolumeGroupSnapshotRequest(group_snapshot_id=handle)
        try:
            self._ask(self._directory.of_pool(pool_of_group(handle)), request)
        except VolumeNotFound:
            return False
        return True

    def remove(self, handle: str) -> None:
        """Remove a cut with its snapshots; one of a node that is gone for good is gone. Raises as `cut`."""
        try:
            route = self._directory.of_pool(pool_of_group(handle))
        except NodeForgotten:
            return
        self._ask(route, csi.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=handle))

    def fullness(self, volume: str) -> float:
        """Give what share of the volume's pool is used; raise PoolElsewhere, NodeBusy."""
        _, told = self._ask(self._directory.of_pool(pool_of_volume(volume)), csi.GetCapacityRequest())
        total = int(told.get(f"{POOL_FACT}-total", "0"))
        return int(told.get(f"{POOL_FACT}-used", "0")) / total if total else 0.0

    def _snapshots(self, route: Route) -> Iterator[csi.Snapshot]:
        token = ""
        while True:
            answer, _ = self._ask(route, csi.ListSnapshotsRequest(max_entries=_PAGE, starting_token=token))
            yield from (entry.snapshot for entry in answer.entries)
            token = answer.next_token
            if not token:
                return

    def _labelled(self, route: Route, handle: str, members: Sequence[csi.Snapshot]) -> LabelledCut:
        found = []
        for member in members:
            with suppress(VolumeNotFound):  # it was deleted since the list was given
                _, told = self._ask(route, csi.GetSnapshotRequest(snapshot_id=member.snapshot_id))
                found.append(_described(member, told))
        return LabelledCut(handle, members[0].creation_time.ToDatetime(dt.UTC), tuple(found))

    def _ask(self, route: Route, request: Message, beside: Metadata = ()) -> tuple[Any, Mapping[str, str]]:
        """Give a node's answer, and what it told beside it."""
        method = request.DESCRIPTOR.name.removesuffix("Request")
        metadata = [(POOL, route.pool), *beside, *([(REQUEST_ID, current_request())] if current_request() else [])]
        left = current_deadline().remaining_seconds()
        seconds = _LONGEST_SECONDS if left is None else min(left, _LONGEST_SECONDS)
        with route.line.taken():
            call = route.line.begin(method, request, metadata, seconds)
            answer, refused = outcome(call)
        if refused is not None:
            raise _error(route, refused)
        return answer, {key: _text(value) for key, value in call.trailing_metadata() or ()}


def _error(route: Route, refused: Refusal) -> RokcsiError:
    name, text = refused.code.name, f"node {route.line.name}: {refused.message}"
    if name in _FINAL:
        return _FINAL[name](text)
    if name == "UNAVAILABLE":
        route.line.doubt(f"{name}: {refused.message}")
        return PoolElsewhere(text)
    return CheckpointFailed(f"{text} ({name})")  # it may be done or not


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _described(snapshot: csi.Snapshot, told: Mapping[str, str]) -> LabelledSnapshot:
    return LabelledSnapshot(
        snapshot=snapshot.snapshot_id,
        volume=snapshot.source_volume_id,
        size=Bytes(snapshot.size_bytes),
        consistency=Consistency(told.get(CONSISTENCY, Consistency.FROZEN)),
        freeze_window_seconds=float(told.get(WINDOW, "0")),
        labels=json.loads(told.get(LABELS, "{}")),
    )


def _cut(group: csi.VolumeGroupSnapshot, told: Mapping[str, str]) -> VolumeCut:
    return VolumeCut(
        handle=group.group_snapshot_id,
        created_at=group.creation_time.ToDatetime(dt.UTC),
        volumes=tuple(
            CutVolume(each.source_volume_id, each.snapshot_id, Bytes(each.size_bytes)) for each in group.snapshots
        ),
        freeze_window_seconds=float(told.get(WINDOW, "0")),
        consistency=Consistency(told.get(CONSISTENCY, Consistency.FROZEN)),
    )
