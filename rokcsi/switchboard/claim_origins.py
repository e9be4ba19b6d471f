"""Volumes for claims that are annotated with `rok/origin`: made as clones, although the provisioner does not say so.

A claim's spec cannot be changed once it is written, so nobody can give it a source later.
The switchboard reads the claim that a volume is made for (external-provisioner names it with
--extra-create-metadata), asks the timeline what its origin stands for, and goes on as if the
provisioner had named that snapshot. Where nobody can say, no volume is made: an empty one
instead of a clone would be the loss of somebody's data.
"""

from __future__ import annotations

from typing import Protocol

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.claims import NamespacedName, WrittenOrigins
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import TimelineAway

_NAME, _NAMESPACE = "csi.storage.k8s.io/pvc/name", "csi.storage.k8s.io/pvc/namespace"
_SECONDS = 10.0


class OriginTeller(Protocol):
    """The line to the timeline."""

    def snapshot_for(self, claim: NamespacedName, origin: str, seconds: float) -> str:
        """Give the handle that an origin stands for, for this claim; raise TimelineAway, Relayed."""


class NoTimeline:
    """Fits `OriginTeller` where there is no timeline: a claim with an origin waits until there is one."""

    def snapshot_for(self, claim: NamespacedName, origin: str, seconds: float) -> str:
        """Raise TimelineAway."""
        _ = claim, seconds
        raise TimelineAway(
            f"the claim is to be cloned from {origin[:200]}, and there is no timeline that could say what that is;"
            " switch it on (checkpoints.enabled of the chart), or take the annotation away"
        )


class ClaimOrigins:
    """Fills in the source of a request; safe for many threads."""

    def __init__(self, written: WrittenOrigins, timeline: OriginTeller) -> None:
        self._written = written
        self._timeline = timeline

    def filled(self, request: csi.CreateVolumeRequest) -> csi.CreateVolumeRequest:
        """Give the request with the source that its claim's origin stands for; raise RosterAway, TimelineAway, Relayed."""
        claim = NamespacedName(request.parameters.get(_NAMESPACE, ""), request.parameters.get(_NAME, ""))
        if request.HasField("volume_content_source") or not claim.name or not claim.namespace:
            return request
        origin = self._written.origin_of(claim)
        if not origin:
            return request
        left = current_deadline().remaining_seconds()
        seconds = _SECONDS if left is None else min(left, _SECONDS)
        filled = csi.CreateVolumeRequest()
        filled.CopyFrom(request)
        filled.volume_content_source.snapshot.snapshot_id = self._timeline.snapshot_for(claim, origin, seconds)
        return filled
