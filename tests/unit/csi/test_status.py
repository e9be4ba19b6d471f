"""One table says what a caller is told; every family of errors is in it."""

from __future__ import annotations

import inspect

import grpc
import pytest

from rokcsi.csi.status import refusal
from rokcsi.model import errors

FAMILIES = {
    errors.NotFound: "NOT_FOUND",
    errors.Conflict: "ALREADY_EXISTS",
    errors.InvalidRequest: "INVALID_ARGUMENT",
    errors.OutOfRange: "OUT_OF_RANGE",
    errors.OutOfSpace: "RESOURCE_EXHAUSTED",
    errors.StillInUse: "FAILED_PRECONDITION",
    errors.Busy: "ABORTED",
    errors.BadPageToken: "ABORTED",
    errors.NotSupported: "UNIMPLEMENTED",
    errors.NotAllowed: "PERMISSION_DENIED",
    errors.Unavailable: "UNAVAILABLE",
    errors.Damaged: "INTERNAL",
}
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RokcsiError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not errors.RokcsiError])
def test_every_error_has_its_familys_status(kind: type[errors.RokcsiError]) -> None:
    [code] = {code for family, code in FAMILIES.items() if issubclass(kind, family)}
    assert refusal(kind("why")).code.name == code
    assert refusal(kind("why")).message == "why"
    assert not refusal(kind("why")).unexpected


def test_an_error_of_no_family_is_internal_and_says_nothing_of_itself() -> None:
    told = refusal(KeyError("hunter2"))
    assert told.code is grpc.StatusCode.INTERNAL
    assert told.unexpected
    assert "KeyError" in told.message
    assert "hunter2" not in told.message


def test_csis_own_word_for_one_method_comes_first() -> None:
    error = errors.NotSupported("raw volumes cannot be cut together")
    assert refusal(error, "CreateVolumeGroupSnapshot").code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal(error, "NodeExpandVolume").code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal(error, "CreateVolume").code is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_is_one_line_of_bounded_length() -> None:
    told = refusal(errors.Damaged("a\nb\r\n" + "x" * 5000)).message
    assert told.startswith("a b x")
    assert len(told) == 1024


def test_an_error_without_a_text_is_told_by_its_name() -> None:
    assert refusal(errors.PoolFull()).message == "PoolFull"
