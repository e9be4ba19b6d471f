"""Parts of the driver that are replaced under way: by another build, by a second one, by one that knows nothing yet."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rokcsi import __version__
from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl, named
from tests.lab.kubernetes.objects import claim, of_snapshot, pod, snapshot
from tests.lab.kubernetes.release import lab, upgraded
from tests.lab.kubernetes.survivors import (
    HERE,
    NO_GAP,
    attached_twice,
    goes_on,
    in_pools,
    lines,
    longest_silence,
    metrics,
    restored,
    writing,
)

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
ELSEWHERE = "lab-node-2"
OTHER = f"{__version__}.post1"
PORTS = {"node": 9810, "controller": 9811, "timeline": 9812}
SILENCE_SECONDS = 5
SELECTED = "volume.kubernetes.io/selected-node"


@pytest.fixture(scope="module")
def source(kubectl: Kubectl) -> str:
    """Give a snapshot of what a pod writes all the time; claim and pod are named `written`."""
    kubectl.make(*writing("written"))
    kubectl.wait("condition=Ready", "pod/written")
    kubectl.make(snapshot("before", "written"))
    kubectl.wait("jsonpath={.status.readyToUse}=true", "volumesnapshot/before")
    return "before"


@pytest.fixture
def another_build(driver: Kubectl) -> Iterator[None]:
    """Have the whole driver replaced by another build, and the former one again afterwards."""
    lab("build", OTHER, seconds=300)
    _replaced_by(driver, OTHER)
    yield
    _replaced_by(driver, __version__)


def _replaced_by(driver: Kubectl, version: str) -> None:
    upgraded(f"image.tag={version}")
    for each in ("daemonset/rok-node", "deployment/rok-controller", "deployment/rok-timeline"):
        driver("rollout", "status", each, "--timeout=120s")


def _versions(driver: Kubectl) -> set[str]:
    """Give the versions that the driver's processes say they are."""
    found = set[str]()
    for component, port in PORTS.items():
        for each in driver.all("pods", "--selector", f"app.kubernetes.io/component={component}"):
            told = metrics(driver, each["metadata"]["name"], port)
            found.update(re.findall(r'^rokcsi_build\{version="([^"]*)"\}', told, re.MULTILINE))
    return found


def _timelines(driver: Kubectl, count: int) -> None:
    driver("scale", "deployment/rok-timeline", f"--replicas={count}")
    ready = "jsonpath={.status.readyReplicas}=" + str(count)
    driver.wait(ready, "deployment/rok-timeline")


def _asked_for(kubectl: Kubectl, names: list[str], source: str) -> None:
    """Have clones of a snapshot asked for by pods that would rather be elsewhere."""
    kubectl.make(
        *(claim(name, of_snapshot(source)) for name in names),
        *(pod(name, name, NO_GAP, rather=ELSEWHERE) for name in names),
    )


def _all_run_here(kubectl: Kubectl, names: list[str]) -> None:
    kubectl.wait("condition=Ready", *named("pod", names), seconds=180)
    assert {kubectl.get("pod", name)["spec"]["nodeName"] for name in names} == {HERE}


@pytest.mark.usefixtures("source")
def test_another_build_of_the_driver_takes_over_while_pods_write(
    kubectl: Kubectl, driver: Kubectl, request: pytest.FixtureRequest
) -> None:
    pools, before = in_pools(driver), lines(kubectl, "written")
    request.getfixturevalue("another_build")
    assert _versions(driver) == {OTHER}
    goes_on(kubectl, "written", before)
    assert longest_silence(kubectl, "written") <= SILENCE_SECONDS
    assert in_pools(driver) == pools
    restored(kubectl, "written", "by-the-other")
    kubectl("delete", "pod/by-the-other", "pvc/by-the-other", "volumesnapshot/by-the-other", "--timeout=120s")
    assert not attached_twice()


def test_what_another_build_has_made_the_former_one_knows(kubectl: Kubectl, driver: Kubectl, source: str) -> None:
    assert _versions(driver) == {__version__}
    _asked_for(kubectl, ["after-both"], source)
    _all_run_here(kubectl, ["after-both"])
    assert longest_silence(kubectl, "written") <= SILENCE_SECONDS


def test_a_timeline_that_dies_between_its_stamp_and_the_volume_is_not_missed(
    kubectl: Kubectl, driver: Kubectl, source: str
) -> None:
    driver("scale", "deployment/rok-controller", "--replicas=0")
    driver.wait("delete", "pod", "--selector=app.kubernetes.io/component=controller")
    _asked_for(kubectl, ["stamped"], source)
    eventually(lambda: kubectl.get("pvc", "stamped")["metadata"]["annotations"].get(SELECTED) == HERE, seconds=60)
    driver("delete", "pod", "--selector", "app.kubernetes.io/component=timeline", "--grace-period=0", "--force")
    driver("scale", "deployment/rok-controller", "--replicas=1")
    _all_run_here(kubectl, ["stamped"])
    driver.wait("condition=Available", "deployment/rok-timeline", "deployment/rok-controller")


def test_two_timelines_at_once_do_no_harm(kubectl: Kubectl, driver: Kubectl, source: str) -> None:
    pools, names = in_pools(driver), [f"twice-{number}" for number in range(10)]
    _timelines(driver, 2)
    try:
        _asked_for(kubectl, names, source)
        _all_run_here(kubectl, names)
    finally:
        _timelines(driver, 1)
    assert in_pools(driver)["volumes"] == pools["volumes"] + len(names)
    kubectl("delete", *named("pod", names), *named("pvc", names), "--timeout=120s")
    eventually(lambda: in_pools(driver) == pools, seconds=60, every=1.0)
