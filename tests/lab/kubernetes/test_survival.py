"""What is killed while pods write and calls are under way comes back, and nothing is lost, doubled or left."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

import pytest

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import LAB, Kubectl, named
from tests.lab.kubernetes.objects import claim, of_snapshot, pod, snapshot

pytestmark = pytest.mark.lab
HERE = "lab-node-1"
NODE_PODS = ("--selector", "app.kubernetes.io/component=node")
WRITE = "(n=0; while :; do n=$((n+1)); echo $n >>log; sync; sleep 0.1; done) & sleep 1"
NO_GAP = "awk '$1 != NR { exit 1 }' log; [ $(wc -l <log) -gt 0 ]"


@pytest.fixture(scope="module")
def writer(kubectl: Kubectl) -> str:
    """Give a claim that a pod writes into all the time, a line with its number each."""
    kubectl.make(claim("written"), pod("writer", "written", WRITE, must=HERE))
    kubectl.wait("condition=Ready", "pod/writer")
    return "written"


def _lines(kubectl: Kubectl) -> int:
    """Give how many lines the pod has written; 0 while kubelet cannot be asked."""
    return int((kubectl.tried("exec", "writer", "--", "wc", "-l", "/data/log") or "0").split()[0])


def _driver_on(driver: Kubectl, node: str) -> str:
    """Give the driver's pod on a node, once it is ready."""

    def ready() -> str:
        for each in driver.all("pods", *NODE_PODS, "--field-selector", f"spec.nodeName={node}"):
            conditions = {one["type"]: one["status"] for one in each["status"].get("conditions", ())}
            if conditions.get("Ready") == "True" and "deletionTimestamp" not in each["metadata"]:
                return str(each["metadata"]["name"])
        return ""

    return eventually(ready, seconds=120, every=0.5)


def _in_pools(driver: Kubectl) -> Counter[str]:
    """Count volumes and snapshots as the nodes' drivers tell them."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9810/metrics').read().decode())"
    counted = Counter[str]()
    for each in driver.all("pods", *NODE_PODS):
        told = driver("exec", each["metadata"]["name"], "--", "python3", "-c", ask)
        for kind, number in re.findall(r"^rokcsi_(volumes|snapshots) (\S+)$", told, re.MULTILINE):
            counted[kind] += int(float(number))
    return counted


def _attached_twice() -> list[str]:
    """Give the files that more than one loop device of this machine is attached to."""
    command = ["losetup", "--list", "--noheadings", "--output", "BACK-MAJ:MIN,BACK-INO"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [file for file, times in Counter(told.splitlines()).items() if times > 1]


def _restored(kubectl: Kubectl, source: str, name: str) -> None:
    """Take a snapshot, and run a pod on a clone of it that checks what was written."""
    kubectl.make(snapshot(name, source))
    kubectl.wait("jsonpath={.status.readyToUse}=true", f"volumesnapshot/{name}")
    kubectl.make(claim(name, of_snapshot(name)), pod(name, name, NO_GAP))
    kubectl.wait("condition=Ready", f"pod/{name}")


def test_a_driver_that_is_killed_holds_up_no_writer_and_goes_on_where_it_was(
    kubectl: Kubectl, driver: Kubectl, writer: str
) -> None:
    old, before = _driver_on(driver, HERE), _lines(kubectl)
    driver("delete", "pod", old, "--grace-period=0", "--force")
    eventually(lambda: _lines(kubectl) > before + 5, seconds=60, every=0.5)
    assert _driver_on(driver, HERE) != old
    _restored(kubectl, writer, "after-the-driver")
    assert not _attached_twice()


def test_a_kubelet_that_is_restarted_keeps_volumes_mounted(kubectl: Kubectl, writer: str) -> None:
    before = _lines(kubectl)
    subprocess.run([str(LAB), "on", "1", "pkill", "kubelet"], check=True, timeout=60)
    eventually(lambda: _lines(kubectl) > before + 5, seconds=90, every=0.5)
    _restored(kubectl, writer, "after-the-kubelet")
    assert not _attached_twice()


def test_a_controller_that_is_killed_between_call_and_answer_makes_nothing_twice(
    kubectl: Kubectl, driver: Kubectl, writer: str
) -> None:
    before = _in_pools(driver)
    names = [f"cut-{number}" for number in range(10)]
    kubectl.make(*(snapshot(name, writer) for name in names))
    driver("delete", "pod", "--selector", "app.kubernetes.io/component=controller", "--grace-period=0", "--force")
    kubectl.wait("jsonpath={.status.readyToUse}=true", *named("volumesnapshot", names), seconds=180)
    assert _in_pools(driver)["snapshots"] == before["snapshots"] + len(names)
    kubectl("delete", *named("volumesnapshot", names), "--timeout=120s")
    eventually(lambda: _in_pools(driver) == before, seconds=60, every=1.0)
