"""The line from a node, or from the switchboard, to the timeline."""

from __future__ import annotations

from typing import Any

import grpc

from rokcsi.csi.interceptors import REQUEST_ID
from rokcsi.csi.proto import timeline_pb2 as timeline
from rokcsi.csi.proto import timeline_pb2_grpc
from rokcsi.csi.status import Refusal, Relayed
from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import Passage, Side
from rokcsi.model.errors import CheckpointFailed, TimelineAway
from rokcsi.observe.logs import current_request

_SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


class TimelineLine:
    """Asks the timeline over one channel; safe for many threads."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        generated: Any = timeline_pb2_grpc  # protoc writes no types for it
        self._timeline = generated.TimelineStub(channel)

    def asked(self, passage: Passage, seconds: float, *, patient: bool) -> None:
        """Ask for one end of a pod's visit; raise TimelineAway, CheckpointFailed."""
        method, request = self._question(passage)
        try:
            method(request, timeout=seconds, wait_for_ready=patient, metadata=_metadata())
        except grpc.RpcError as error:
            told: Any = error  # a call that has ended, too
            if told.code() in _SILENT:
                raise TimelineAway(f"the timeline does not answer: {told.code().name}: {told.details()}") from error
            raise CheckpointFailed(f"the timeline refuses: {told.code().name}: {told.details()}") from error

    def snapshot_for(self, claim: NamespacedName, origin: str, seconds: float) -> str:
        """Give the handle that an origin stands for, for this claim; raise TimelineAway, Relayed with its refusal."""
        request = timeline.FindOriginRequest(namespace=claim.namespace, claim_name=claim.name, origin=origin)
        try:
            answer = self._timeline.FindOrigin(request, timeout=seconds, metadata=_metadata())
        except grpc.RpcError as error:
            told: Any = error  # as above
            if told.code() in _SILENT:
                raise TimelineAway(
                    f"the claim is to be cloned from {origin[:200]}, and nobody can say what that is"
                ) from error
            raise Relayed(Refusal(told.code(), told.details() or "")) from error
        return str(answer.snapshot_id)

    def _question(self, passage: Passage) -> tuple[Any, Any]:
        """Give the method to call, and its request."""
        pod = timeline.Pod(namespace=passage.pod.namespace, pod_name=passage.pod.name, uid=passage.pod.uid)
        request: Any
        if passage.side is Side.BEFORE:
            method, request = self._timeline.PodEnters, timeline.PodEntersRequest(pod=pod, volume_id=passage.volume)
        else:
            method, request = self._timeline.PodLeaves, timeline.PodLeavesRequest(pod=pod, volume_id=passage.volume)
        if passage.answered_since is not None:
            request.answered_since.FromDatetime(passage.answered_since)
        return method, request

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


def _metadata() -> tuple[tuple[str, str], ...]:
    number = current_request()
    return ((REQUEST_ID, number),) if number else ()
