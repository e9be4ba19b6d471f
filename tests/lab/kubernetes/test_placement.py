"""Clones go to the node of their data, whatever the scheduler would rather do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl, named
from tests.lab.kubernetes.objects import Object, claim, of_claim, of_snapshot, pod, snapshot

pytestmark = pytest.mark.lab
HERE, ELSEWHERE = "lab-node-1", "lab-node-2"
TAINT = "rather-not-here=because:PreferNoSchedule"
FILL = "head -c 20000000 /dev/urandom >file; sha256sum file >sum; sync"
CHECK = "sha256sum -c sum"
RESTORES = 20
TOGETHER = 10
SELECTED_NODE = "volume.kubernetes.io/selected-node"


@pytest.fixture(scope="module")
def source(kubectl: Kubectl) -> Iterator[str]:
    """Give a snapshot whose data is on one node, while the scheduler is told to keep pods away from there."""
    kubectl.make(claim("origin"), pod("writer", "origin", FILL, must=HERE))
    kubectl.wait("condition=Ready", "pod/writer")
    kubectl.make(snapshot("before", "origin"))
    kubectl.wait("jsonpath={.status.readyToUse}=true", "volumesnapshot/before")
    kubectl("taint", "node", HERE, TAINT)
    eventually(lambda: _scheduler_prefers_the_other_node(kubectl), seconds=180, every=5)
    yield "before"
    kubectl("taint", "node", HERE, f"{TAINT}-")


def _scheduler_prefers_the_other_node(kubectl: Kubectl) -> bool:
    """Tell where a pod with an empty volume goes; one whose driver has just begun is not thought of for a while."""
    name = f"taste-{uuid4().hex[:8]}"
    kubectl.make(claim(name), pod(name, name, "true", rather=ELSEWHERE))
    kubectl.wait("condition=Ready", f"pod/{name}")
    return _nodes(kubectl, [name]) == {ELSEWHERE}


@pytest.fixture
def without_timeline(driver: Kubectl) -> Iterator[None]:
    driver("scale", "deployment/rok-timeline", "--replicas=0")
    driver.wait("delete", "pod", "--selector=app.kubernetes.io/component=timeline")
    yield
    _with_timeline(driver)


def _with_timeline(driver: Kubectl) -> None:
    driver("scale", "deployment/rok-timeline", "--replicas=1")
    driver.wait("condition=Available", "deployment/rok-timeline")


def _restores(kubectl: Kubectl, prefix: str, count: int, source: dict[str, str]) -> list[str]:
    names = [f"{prefix}-{number}" for number in range(count)]
    kubectl.make(
        *(claim(name, source) for name in names), *(pod(name, name, CHECK, rather=ELSEWHERE) for name in names)
    )
    return names


def _nodes(kubectl: Kubectl, names: list[str]) -> set[str]:
    return {kubectl.get("pod", name)["spec"]["nodeName"] for name in names}


@pytest.mark.usefixtures("without_timeline")
def test_the_scheduler_alone_sends_a_restore_to_the_wrong_node_and_the_timeline_puts_that_right(
    kubectl: Kubectl, driver: Kubectl, source: str
) -> None:
    _restores(kubectl, "astray", 1, of_snapshot(source))
    told = eventually(lambda: kubectl.events("astray-0", "ProvisioningFailed"), seconds=60, every=0.5)
    assert any(HERE in text for text in told)
    time.sleep(15)
    assert kubectl.get("pod", "astray-0")["status"]["phase"] == "Pending"
    _with_timeline(driver)
    kubectl.wait("condition=Ready", "pod/astray-0")
    assert _nodes(kubectl, ["astray-0"]) == {HERE}


def test_twenty_restores_at_once_all_run_where_the_data_is(kubectl: Kubectl, source: str) -> None:
    began = time.monotonic()
    names = _restores(kubectl, "again", RESTORES, of_snapshot(source))
    kubectl.wait("condition=Ready", *named("pod", names), seconds=240)
    print(f"{RESTORES} restores were ready {time.monotonic() - began:.1f} s after they were asked for")
    assert _nodes(kubectl, names) == {HERE}


def _had_its_node_from_the_start(claim: Object) -> bool:
    """Tell whether admission gave a claim its node: what it adds is in nobody's name, what is written later in the writer's."""
    by_somebody = SELECTED_NODE in str([each["fieldsV1"] for each in claim["metadata"]["managedFields"]])
    return claim["metadata"]["annotations"].get(SELECTED_NODE) == HERE and not by_somebody


def test_clones_that_are_made_together_with_their_pods_have_their_node_from_the_start_and_are_never_refused(
    kubectl: Kubectl, source: str
) -> None:
    names = _restores(kubectl, "together", TOGETHER, of_snapshot(source))
    kubectl.wait("condition=Ready", *named("pod", names), seconds=240)
    claims = {each["metadata"]["name"]: each for each in kubectl.all("pvc", "--show-managed-fields")}
    # On a busy machine an answer can come too late; the claim is then made without, and placed by the watch.
    in_time = [name for name in names if _had_its_node_from_the_start(claims[name])]
    assert len(in_time) > TOGETHER // 2
    assert [told for name in in_time for told in kubectl.events(name, "ProvisioningFailed")] == []
    assert _nodes(kubectl, names) == {HERE}


@pytest.mark.usefixtures("without_timeline")
def test_while_the_timeline_is_away_claims_are_made_all_the_same(
    kubectl: Kubectl, driver: Kubectl, source: str
) -> None:
    names = _restores(kubectl, "alone", 3, of_snapshot(source))
    assert all(kubectl.get("pvc", name)["spec"]["dataSource"]["name"] == source for name in names)
    _with_timeline(driver)
    kubectl.wait("condition=Ready", *named("pod", names))
    assert _nodes(kubectl, names) == {HERE}


def test_clones_of_a_claim_run_where_the_claim_is(kubectl: Kubectl, source: str) -> None:
    assert source
    names = _restores(kubectl, "clone", 3, of_claim("origin"))
    kubectl.wait("condition=Ready", *named("pod", names))
    assert _nodes(kubectl, names) == {HERE}


def test_a_pod_that_may_not_be_where_its_data_is_has_an_event_that_names_the_node(
    kubectl: Kubectl, source: str
) -> None:
    kubectl.make(claim("away", of_snapshot(source)), pod("away", "away", CHECK, must=ELSEWHERE))
    (told, *_) = eventually(lambda: kubectl.events("away", "PodCannotReachData"), seconds=90, every=0.5)
    assert f"node {HERE}" in told
    assert "pod away" in told


def test_a_node_that_takes_no_pods_is_named_to_whoever_waits_for_a_clone_there(kubectl: Kubectl, source: str) -> None:
    kubectl("cordon", HERE)
    try:
        _restores(kubectl, "cordoned", 1, of_snapshot(source))
        (told, *_) = eventually(lambda: kubectl.events("cordoned-0", "SourceNodeNotReady"), seconds=60, every=0.5)
        assert f"node {HERE}" in told
        assert "uncordon" in told
    finally:
        kubectl("uncordon", HERE)
    kubectl.wait("condition=Ready", "pod/cordoned-0")
