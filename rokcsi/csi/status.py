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
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Damaged: grpc.StatusCode.INTERNAL,
}
_LONGEST_MESSAGE = 1024  # gRPC carries it in a header, and callers cut off long headers


@dataclass(frozen=True, slots=True)
class Refusal:
    """A gRPC code and a message for people; `unexpected` tells that it was no error of the domain."""

    code: grpc.StatusCode
    message: str
    unexpected: bool = False


def refusal(error: Exception) -> Refusal:
    """Give what the caller is told about an error; nothing of an unexpected one but its kind."""
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return Refusal(_TABLE[kind], _one_line(str(error)) or kind.__name__)
    if isinstance(error, errors.RokcsiError):
        return Refusal(grpc.StatusCode.INTERNAL, _one_line(str(error)) or type(error).__name__)
    name = type(error).__name__
    return Refusal(grpc.StatusCode.INTERNAL, f"unexpected {name}; the driver's log says where", unexpected=True)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
