"""The one table from what happened to what a gRPC caller is told.

Kubernetes reacts to the code: RESOURCE_EXHAUSTED makes external-provisioner try another
node; ABORTED and UNAVAILABLE mean "ask again"; any other error is final for a create, so
whoever raises one has cleaned up before.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from rokcsi.model import errors

_TABLE: dict[type[Exception], grpc.StatusCode] = {
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.OutOfSpace: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StillInUse: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Busy: grpc.StatusCode.ABORTED,
    errors.BadPageToken: grpc.StatusCode.ABORTED,
    errors.NotSupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.NotAllowed: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Damaged: grpc.StatusCode.INTERNAL,
    errors.RokcsiError: grpc.StatusCode.INTERNAL,
}
# Where CSI has a word of its own for one method ("Cannot snapshot multiple volumes together",
# "the underlying filesystem does not support expansion"): UNIMPLEMENTED would say "never call this".
_OF_METHOD: dict[tuple[str, type[Exception]], grpc.StatusCode] = {
    ("CreateVolumeGroupSnapshot", errors.NotSupported): grpc.StatusCode.FAILED_PRECONDITION,
    ("NodeExpandVolume", errors.NotSupported): grpc.StatusCode.FAILED_PRECONDITION,
}
_LONGEST_MESSAGE = 1024  # gRPC carries it in a header, and callers cut off long headers


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gRPC code and a message for people; `unexpected` tells that it was no error of the domain."""

    code: grpc.StatusCode
    message: str
    unexpected: bool = False


class Relayed(Exception):
    """What a node has answered to a call that was passed on to it; its caller is told the same."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal(error: Exception, method: str = "") -> Refusal:
    """Give what the caller of a method is told about an error; nothing of an unexpected one but its kind."""
    if isinstance(error, Relayed):
        return error.refusal
    name = type(error).__name__
    for kind in type(error).__mro__:
        code = _OF_METHOD.get((method, kind)) or _TABLE.get(kind)
        if code is not None:
            return Refusal(code, _one_line(str(error)) or name)
    return Refusal(grpc.StatusCode.INTERNAL, f"unexpected {name}; the driver's log says where", unexpected=True)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
