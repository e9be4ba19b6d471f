"""Passing a call on: the caller's deadline, metadata and patience go along, the node's answer comes back as it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from rokcsi.csi.interceptors import REQUEST_ID
from rokcsi.csi.peers import POOL
from rokcsi.csi.status import Refusal, Relayed
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import PoolElsewhere
from rokcsi.observe.logs import current_request
from rokcsi.switchboard.directory import Route
from rokcsi.switchboard.line import Metadata

_OURS = ("user-agent", "grpc-", ":", REQUEST_ID, POOL)
_log = logging.getLogger(__name__)


class RouteLog(Protocol):
    """Is told of every call that was passed on; may be called from many threads at once."""

    def routed(self, node: str, status: str) -> None:
        """Take note of one call; `status` is the gRPC status' name."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Passes calls on to nodes."""

    routes: RouteLog

    def pass_on(self, route: Route, request: Message, context: grpc.ServicerContext) -> Any:
        """Give the node's response; raise Relayed with its refusal, PoolElsewhere where it is away, NodeBusy."""
        with route.line.taken():
            call = begin(route, request, context, current_deadline().remaining_seconds())
            response, refused = outcome(call)
        self.routes.routed(route.line.name, call.code().name)
        _log.debug("passed on", extra={"node": route.line.name, "status": call.code().name})
        context.set_trailing_metadata(call.trailing_metadata() or ())
        if refused is not None:
            raise _what_to_tell(route, refused)
        return response


def begin(route: Route, request: Message, context: grpc.ServicerContext, seconds: float | None) -> Any:
    """Send the request to the node; the call ends with its caller's."""
    method = request.DESCRIPTOR.name.removesuffix("Request")
    call = route.line.begin(method, request, _along(route, context), seconds)
    if not context.add_callback(call.cancel):
        call.cancel()
    return call


def outcome(call: Any) -> tuple[Any, Refusal | None]:
    """Wait for a call's end; give the response, or None and the refusal."""
    try:
        return call.result(), None
    except (grpc.RpcError, grpc.FutureCancelledError):
        return None, Refusal(call.code(), call.details() or "")


def _what_to_tell(route: Route, refused: Refusal) -> Exception:
    if refused.code is not grpc.StatusCode.UNAVAILABLE:
        return Relayed(refused)
    route.line.doubt(f"{refused.code.name}: {refused.message}")
    return PoolElsewhere(f"node {route.line.name} is away: {refused.message}")


def _along(route: Route, context: grpc.ServicerContext) -> Metadata:
    """Give the caller's metadata, with the call's id and the pool that is meant."""
    theirs: Sequence[Any] = context.invocation_metadata()
    passed = [(key, value) for key, value in theirs if not key.startswith(_OURS)]
    return [*passed, (REQUEST_ID, current_request()), (POOL, route.pool)]
