"""What is killed while pods write and calls are under way comes back, and nothing is lost, doubled or left."""

from __future__ import annotations

import pytest

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl, named
from tests.lab.kubernetes.objects import snapshot
from tests.lab.kubernetes.release import lab
from tests.lab.kubernetes.survivors import (
    HERE,
    attached_twice,
    driver_on,
    goes_on,
    in_pools,
    lines,
    restored,
    writing,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def writer(kubectl: Kubectl) -> str:
    """Give a claim that a pod of its name writes into all the time."""
    kubectl.make(*writing("written"))
    kubectl.wait("condition=Ready", "pod/written")
    return "written"


def test_a_driver_that_is_killed_holds_up_no_writer_and_goes_on_where_it_was(
    kubectl: Kubectl, driver: Kubectl, writer: str
) -> None:
    old, before = driver_on(driver, HERE), lines(kubectl, writer)
    driver("delete", "pod", old, "--grace-period=0", "--force")
    goes_on(kubectl, writer, before)
    assert driver_on(driver, HERE) != old
    restored(kubectl, writer, "after-the-driver")
    assert not attached_twice()


def test_a_kubelet_that_is_restarted_keeps_volumes_mounted(kubectl: Kubectl, writer: str) -> None:
    before = lines(kubectl, writer)
    lab("on", "1", "pkill", "kubelet")
    goes_on(kubectl, writer, before)
    restored(kubectl, writer, "after-the-kubelet")
    assert not attached_twice()


def test_a_controller_that_is_killed_between_call_and_answer_makes_nothing_twice(
    kubectl: Kubectl, driver: Kubectl, writer: str
) -> None:
    before = in_pools(driver)
    names = [f"cut-{number}" for number in range(10)]
    kubectl.make(*(snapshot(name, writer) for name in names))
    driver("delete", "pod", "--selector", "app.kubernetes.io/component=controller", "--grace-period=0", "--force")
    kubectl.wait("jsonpath={.status.readyToUse}=true", *named("volumesnapshot", names), seconds=180)
    assert in_pools(driver)["snapshots"] == before["snapshots"] + len(names)
    kubectl("delete", *named("volumesnapshot", names), "--timeout=120s")
    eventually(lambda: in_pools(driver) == before, seconds=60, every=1.0)
