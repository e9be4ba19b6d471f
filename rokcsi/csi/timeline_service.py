"""The timeline's own service: what nodes say of pods that come and go, and what the switchboard asks of origins."""

# ruff: noqa: N802 - the methods bear the names that the .proto gives them
from __future__ import annotations

import datetime as dt
from typing import Any

import grpc

from rokcsi.csi.interceptors import Guard
from rokcsi.csi.proto import timeline_pb2 as timeline
from rokcsi.csi.proto import timeline_pb2_grpc
from rokcsi.csi.texts import name_of, required
from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.visits import Origins, Visits


class TimelineService(timeline_pb2_grpc.TimelineServicer):
    """Translates, asks, translates back; `nodes` and `controller` look at who calls."""

    def __init__(self, visits: Visits, origins: Origins, nodes: Guard, controller: Guard) -> None:
        self._visits = visits
        self._origins = origins
        self._nodes = nodes
        self._controller = controller

    def add_to(self, server: grpc.Server) -> None:
        """Have a server answer for it."""
        generated: Any = timeline_pb2_grpc  # protoc writes no types for it
        generated.add_TimelineServicer_to_server(self, server)

    def PodEnters(
        self, request: timeline.PodEntersRequest, context: grpc.ServicerContext
    ) -> timeline.PodEntersResponse:
        """Take the checkpoint before a pod's containers run."""
        self._nodes(context)
        version = self._visits.enters(_passage(request, Side.BEFORE))
        return timeline.PodEntersResponse(version=version)

    def PodLeaves(
        self, request: timeline.PodLeavesRequest, context: grpc.ServicerContext
    ) -> timeline.PodLeavesResponse:
        """Take the checkpoint after a pod's containers have ended."""
        self._nodes(context)
        version = self._visits.leaves(_passage(request, Side.AFTER))
        return timeline.PodLeavesResponse(version=version)

    def FindOrigin(
        self, request: timeline.FindOriginRequest, context: grpc.ServicerContext
    ) -> timeline.FindOriginResponse:
        """Give the snapshot that an origin stands for, where the claim may be cloned from it."""
        self._controller(context)
        claim = NamespacedName(name_of("namespace", request.namespace), name_of("claim_name", request.claim_name))
        handle = self._origins.snapshot_for(claim, name_of("origin", request.origin))
        return timeline.FindOriginResponse(snapshot_id=handle)


def _passage(request: timeline.PodEntersRequest | timeline.PodLeavesRequest, side: Side) -> Passage:
    pod = PodAtDoor(
        name_of("namespace", request.pod.namespace),
        name_of("pod_name", request.pod.pod_name),
        name_of("uid", request.pod.uid),
    )
    since = request.answered_since.ToDatetime(dt.UTC) if request.HasField("answered_since") else None
    return Passage(pod, side, required("volume_id", request.volume_id), since)
