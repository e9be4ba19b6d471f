"""What a gRPC status of the driver means in the words of the domain: `csi/status.py` read backwards."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc

from rokcsi.model import errors

_Kinds = Mapping[grpc.StatusCode, type[errors.RokcsiError]]

_TABLE: _Kinds = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.Conflict,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.SizeOutOfRange,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.PoolFull,
    grpc.StatusCode.FAILED_PRECONDITION: errors.StillInUse,
    grpc.StatusCode.ABORTED: errors.Busy,
    grpc.StatusCode.CANCELLED: errors.Busy,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.Busy,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotSupported,
    grpc.StatusCode.PERMISSION_DENIED: errors.NotAllowed,
    grpc.StatusCode.UNAVAILABLE: errors.DriverAway,
}
NOTHING_SPECIAL: _Kinds = MappingProxyType({})


def error_of(refused: grpc.RpcError, special: _Kinds = NOTHING_SPECIAL) -> errors.RokcsiError:
    """Give our error for a refused call; `special` holds the closer words that this call has for some codes."""
    code = code_of(refused)
    kind = special.get(code) or _TABLE.get(code, errors.Damaged)
    return kind(details_of(refused) or f"the driver answered {code.name}")


def code_of(refused: grpc.RpcError) -> grpc.StatusCode:
    """Give the status of a refused call."""
    code: grpc.StatusCode = refused.code()
    return code


def details_of(refused: grpc.RpcError) -> str:
    """Give what the driver said about a refused call."""
    return str(refused.details() or "")
