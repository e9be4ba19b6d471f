"""Publishing with doors: somebody is asked before a pod's first volume appears, and before its first one goes.

The question is asked before any lock is taken: its answer may be a cut of this very volume.
"""

from __future__ import annotations

from pathlib import Path

from rokcsi.model.consent import CHECKPOINT_POLICY, STEPS
from rokcsi.model.doorkeeper import Doors
from rokcsi.model.errors import NotFound
from rokcsi.model.ids import VolumeId
from rokcsi.model.node import PublishRequest
from rokcsi.volumes.node_side import NodeSide
from rokcsi.volumes.publishing import Publishing
from rokcsi.volumes.records import Published


class GuardedPublishing:
    """A `Publishing` behind doors."""

    def __init__(self, publishing: Publishing, node: NodeSide, doors: Doors) -> None:
        self._publishing = publishing
        self._node = node
        self._doors = doors
        for record in node.records:
            if isinstance(record, Published):
                doors.found(dict(record.pod))

    def publish(self, request: PublishRequest) -> None:
        """Ask, then show the volume; raises what `Publishing.publish` does, TimelineAway, CheckpointFailed, Busy."""
        identity = self._node.handles.volume(request.volume)
        if self._record(identity, request.target) is None:
            self._doors.pass_in(dict(request.pod), request.volume, wanted=self._wants(identity))
        self._publishing.publish(request)

    def unpublish(self, handle: str, target: Path) -> None:
        """Ask, then hide the volume; raises what `Publishing.unpublish` does, TimelineAway, CheckpointFailed, Busy."""
        identity = self._node.handles.volume(handle)
        record = self._record(identity, target)
        if record is None:
            self._publishing.unpublish(handle, target)
            return
        self._doors.pass_out(dict(record.pod), handle, wanted=self._wants(identity))
        self._publishing.unpublish(handle, target)
        if not self._has_others(record):
            self._doors.gone(dict(record.pod))

    def _record(self, id: VolumeId, target: Path) -> Published | None:
        return self._node.records.published_at(id, self._node.roots.checked(target))

    def _has_others(self, record: Published) -> bool:
        return any(isinstance(each, Published) and each.pod == record.pod for each in self._node.records)

    def _wants(self, id: VolumeId) -> bool:
        """Tell whether the volume asks for checkpoints itself: its class said so."""
        try:
            return self._node.volume(id).labels.get(CHECKPOINT_POLICY) == STEPS
        except NotFound:
            return False
