"""What happens to every call alike."""

from __future__ import annotations

import json
import threading

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import LockTimeout
from rokcsi.observe.logs import FIELDS, current_request
from tests.fakes.csi_caller import Refused, mount_capability
from tests.fakes.csi_driver import CsiDriver

SECRET = "hunter2"


def test_each_call_is_told_once_with_its_status(driver: CsiDriver) -> None:
    volume = driver.volume()
    with pytest.raises(Refused):
        driver.call("ControllerGetVolume", csi.ControllerGetVolumeRequest(volume_id="x"))
    (first, code, seconds, fields), (second, refused, _, why) = driver.calls.lines
    assert (first, code) == ("CreateVolume", "OK")
    assert (second, refused) == ("ControllerGetVolume", "NOT_FOUND")
    assert 0 < seconds < 30
    assert fields == {"volume": volume.volume_id, "size_bytes": volume.capacity_bytes}
    assert "not a handle" in str(why["error"])


def test_no_secret_and_no_context_reaches_the_log(driver: CsiDriver) -> None:
    hidden = {"token": SECRET}
    volume = driver.volume(secrets=hidden).volume_id
    driver.call(
        "NodeStageVolume",
        csi.NodeStageVolumeRequest(
            volume_id=volume,
            staging_target_path="/s",
            volume_capability=mount_capability(mount_flags=["noatime"]),
            secrets=hidden,
            volume_context=hidden,
            publish_context=hidden,
        ),
    )
    told = json.dumps([dict(fields) for *_, fields in driver.calls.lines])
    assert SECRET not in told
    assert "noatime" not in told
    assert {name for *_, fields in driver.calls.lines for name in fields} <= set(FIELDS)


def stage(driver: CsiDriver, timeout: float | None = 20.0) -> None:
    """Stage the volume `v`."""
    request = csi.NodeStageVolumeRequest(
        volume_id=driver.volume().volume_id, staging_target_path="/s", volume_capability=mount_capability()
    )
    driver.call("NodeStageVolume", request, timeout)


def test_an_unexpected_error_is_told_to_the_log_and_not_to_the_caller(driver: CsiDriver) -> None:
    def broken() -> None:
        raise KeyError(SECRET)

    driver.node.before_stage = broken
    with pytest.raises(Refused) as refused:
        stage(driver)
    assert refused.value.code is grpc.StatusCode.INTERNAL
    assert SECRET not in refused.value.message
    *_, (_, code, _, fields) = driver.calls.lines
    assert code == "INTERNAL"
    assert "test_interceptors.py" in str(fields["error"])


def test_a_call_has_its_callers_deadline_and_a_number_of_its_own(driver: CsiDriver) -> None:
    seen: list[tuple[float | None, bool, str]] = []

    def look() -> None:
        limit = current_deadline()
        seen.append((limit.remaining_seconds(), limit.caller_is_there(), current_request()))

    driver.node.before_stage = look
    stage(driver, timeout=17.0)
    stage(driver, timeout=None)
    (seconds, there, first), (unlimited, _, second) = seen
    assert seconds is not None
    assert 5 < seconds < 18
    assert there
    assert unlimited is None
    assert first != second


def test_a_wait_that_is_too_long_is_aborted_so_that_the_caller_asks_again(driver: CsiDriver) -> None:
    def too_long() -> None:
        raise LockTimeout("another call is at work on this volume; try again")

    driver.node.before_stage = too_long
    with pytest.raises(Refused) as refused:
        stage(driver)
    assert refused.value.code is grpc.StatusCode.ABORTED


def test_whoever_waits_can_see_that_its_caller_has_gone(driver: CsiDriver) -> None:
    gone = threading.Event()

    def wait() -> None:
        for _ in range(1000):
            if not current_deadline().caller_is_there():
                gone.set()
                return
            threading.Event().wait(0.01)

    driver.node.before_stage = wait
    with pytest.raises(Refused) as refused:
        stage(driver, timeout=0.3)
    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert gone.wait(timeout=10)
