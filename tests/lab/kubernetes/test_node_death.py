"""A node that dies like a machine without power, and boots again: its pods are back, each with its data."""

from __future__ import annotations

import pytest

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl, named
from tests.lab.kubernetes.objects import Object, claim, pod
from tests.lab.kubernetes.release import lab
from tests.lab.kubernetes.survivors import (
    HERE,
    attached,
    attached_twice,
    driver_on,
    goes_on,
    in_pools,
    lines,
    longest_silence,
    restored,
    writing,
)

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
PODS = ("kept", "also")
RAW = "raw"
WRITE_ONCE = "[ $(head -c 6 /dev/raw) = rokcsi ] || echo rokcsi >/dev/raw; sync"
ELSEWHERE = "lab-node-2"


def _raw() -> list[Object]:
    """Give a raw volume, and a pod that has written onto it."""
    made, user = claim(RAW), pod(RAW, RAW, "true", must=HERE)
    made["spec"]["volumeMode"] = "Block"
    [container] = user["spec"]["containers"]
    del container["volumeMounts"]
    container["volumeDevices"] = [{"name": RAW, "devicePath": "/dev/raw"}]
    container["command"] = ["sh", "-ec", f"{WRITE_ONCE}; touch /tmp/done; exec sleep 86400"]
    user["spec"]["restartPolicy"] = "Always"
    return [made, user]


def test_a_node_that_is_killed_and_booted_has_its_pods_with_their_data_and_nothing_twice(
    kubectl: Kubectl, driver: Kubectl
) -> None:
    kubectl.make(*(each for name in PODS for each in writing(name, anew=True)), *_raw())
    kubectl.make(claim("other"), pod("other", "other", "echo here >word; sync", must=ELSEWHERE))
    kubectl.wait("condition=Ready", *named("pod", [*PODS, RAW, "other"]))
    pools, loops = in_pools(driver), attached()
    before = {name: lines(kubectl, name) for name in PODS}
    lab("kill-node", "1")
    assert kubectl("exec", "other", "--", "cat", "/data/word") == "here\n"
    lab("start-node", "1")
    for name in PODS:
        goes_on(kubectl, name, before[name], seconds=180)
        assert longest_silence(kubectl, name) > 0
    assert kubectl("exec", RAW, "--", "head", "-c", "6", "/dev/raw") == "rokcsi"
    assert not attached_twice()
    assert attached() == loops
    eventually(lambda: in_pools(driver) == pools, seconds=60, every=1.0)
    restored(kubectl, "kept", "after-the-node")


def test_volumes_of_a_node_that_was_killed_are_taken_away_as_ever(kubectl: Kubectl, driver: Kubectl) -> None:
    assert driver_on(driver, HERE)
    loops = attached()
    kubectl("delete", "pod/also", "pvc/also", "--timeout=120s")
    eventually(lambda: attached() == loops - 1, seconds=60, every=1.0)
