"""What happens to every call alike: an id, a guard, a deadline, the limits of CSI, a status, one line in the log.

request bytes → caller looked at → parsed, lengths checked → the service's method → response
                └ any error → `status` → the caller; `CallLog.finished` once, whatever happened
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc
from google.protobuf.message import DecodeError, Message

from rokcsi.csi.limits import check_limits
from rokcsi.csi.shown import Shown, shown
from rokcsi.csi.status import Refusal, refusal
from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import CallerGone, InvalidRequest
from rokcsi.observe.logs import request as numbered_request

REQUEST_ID = "rokcsi-request"  # the metadata by which one call keeps its id from process to process
_GOOD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NO_DEADLINE_SECONDS = 10**7  # gRPC gives some years, or centuries, where there is none

Guard = Callable[[grpc.ServicerContext], None]
"""Looks at who calls, and raises where it must not be served."""


def everybody(context: grpc.ServicerContext) -> None:
    """Let every caller in: the socket's mode has decided already."""
    del context


class CallLog(Protocol):
    """Is told of every call when it has ended; may be called from many threads at once.

    `method` is the RPC's name, `code` the gRPC status' name (OK), `fields` only what
    `rokcsi.observe.logs.FIELDS` allows: handles, paths, sizes, the error; never a request.
    """

    def finished(self, method: str, code: str, seconds: float, fields: Mapping[str, Shown]) -> None:
        """Take note of one call."""


class CallInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Wraps every unary method of the services."""

    def __init__(self, calls: Sequence[CallLog], guard: Guard = everybody, origin: str = "") -> None:
        self._habits = _Habits(calls, guard, origin)

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        """Give the method's handler, wrapped; None for a method that does not exist."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method.rpartition("/")[2]
        # Generated code reads requests by the `FromString` of their class.
        call = _Call(method, handler.request_deserializer.__self__, handler.unary_unary, self._habits)
        return grpc.unary_unary_rpc_method_handler(call, response_serializer=handler.response_serializer)


@dataclass(frozen=True, slots=True)
class _Habits:
    calls: Sequence[CallLog]
    guard: Guard
    origin: str


class _Call:
    """One method, from its request's bytes to its response or refusal."""

    def __init__(
        self, method: str, request_type: type[Message], answer: Callable[..., Message], habits: _Habits
    ) -> None:
        self._method = method
        self._answer = answer
        self._habits = habits
        self._request_type = request_type

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> Message:
        start = time.perf_counter()
        message = self._request_type()
        with numbered_request(_given_id(context), self._habits.origin):
            try:
                response = self._answered(request, message, context)
            except Exception as error:  # noqa: BLE001 - every error has a status; see status.py
                self._refuse(error, message, context, start)
            self._finished(grpc.StatusCode.OK, start, {**shown(message), **shown(response)})
            return response

    def _answered(self, request: bytes, message: Message, context: grpc.ServicerContext) -> Message:
        _check_caller(context)
        self._habits.guard(context)
        try:
            message.ParseFromString(request)
        except DecodeError as error:
            raise InvalidRequest(f"the request is no {message.DESCRIPTOR.name} in valid UTF-8") from error
        check_limits(message)
        with deadline(_limit(context)):
            return self._answer(message, context)

    def _refuse(self, error: Exception, message: Message, context: grpc.ServicerContext, start: float) -> NoReturn:
        refused = refusal(error, self._method)
        self._finished(refused.code, start, {**shown(message), "error": _described(refused, error)})
        context.abort(refused.code, refused.message)

    def _finished(self, code: grpc.StatusCode, start: float, fields: Mapping[str, Shown]) -> None:
        seconds = time.perf_counter() - start
        for log in self._habits.calls:
            log.finished(self._method, code.name, seconds, fields)


def _check_caller(context: grpc.ServicerContext) -> None:
    if not context.is_active():
        raise CallerGone("the caller gave up before its turn came; nothing was done")


def _given_id(context: grpc.ServicerContext) -> str:
    """Give the id that the call had in the process it comes from; empty where it begins here."""
    given = dict(context.invocation_metadata()).get(REQUEST_ID, "")
    return given if isinstance(given, str) and _GOOD_ID.fullmatch(given) else ""


def _limit(context: grpc.ServicerContext) -> Deadline:
    seconds = context.time_remaining()
    known = seconds is not None and seconds < _NO_DEADLINE_SECONDS
    return Deadline(time.monotonic() + seconds if known else None, context.is_active)


def _described(refused: Refusal, error: Exception) -> str:
    """Give the error for the log; an unexpected one with where it came from."""
    if not refused.unexpected:
        return refused.message
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__}: {error} ({where})"
