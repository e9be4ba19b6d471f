"""What the scheduler hears of the room on nodes, and classes that allow only some of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes.utils import parse_quantity

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import Object, claim, of_snapshot, pod, snapshot

pytestmark = pytest.mark.lab
HERE, ELSEWHERE = "lab-node-1", "lab-node-2"
PLACE = "topology.rokcsi.dev/node"
GIB = 2**30


def room(driver: Kubectl, node: str) -> int:
    """Give the bytes that the scheduler believes a node has for volumes of the default class."""
    (told,) = (
        each["capacity"]
        for each in driver.all("csistoragecapacities")
        if each["storageClassName"] == "rokcsi" and each["nodeTopology"]["matchLabels"].get(PLACE) == node
    )
    return int(parse_quantity(told))


def only_on(node: str) -> Object:
    """Give a StorageClass whose volumes may be on one node."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": f"only-on-{node}"},
        "provisioner": "rokcsi.dev",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": PLACE, "values": [node]}]}],
    }


def of_class(made: Object, name: str) -> Object:
    """Give a claim with its class."""
    made["spec"]["storageClassName"] = name
    return made


@pytest.fixture
def only_elsewhere(kubectl: Kubectl) -> Iterator[str]:
    kubectl.make(only_on(ELSEWHERE))
    yield f"only-on-{ELSEWHERE}"
    kubectl("delete", "storageclass", f"only-on-{ELSEWHERE}")


def test_what_is_made_grown_and_deleted_is_soon_known_to_the_scheduler(kubectl: Kubectl, driver: Kubectl) -> None:
    before = room(driver, HERE)
    kubectl.make(claim("wide", size="20Gi"), pod("wide", "wide", "true", must=HERE))
    kubectl.wait("condition=Ready", "pod/wide")
    eventually(lambda: before - room(driver, HERE) >= 20 * GIB, seconds=60, every=0.5)
    kubectl("patch", "pvc", "wide", "--patch", '{"spec": {"resources": {"requests": {"storage": "30Gi"}}}}')
    eventually(lambda: before - room(driver, HERE) >= 30 * GIB, seconds=60, every=0.5)
    kubectl("delete", "pod/wide", "pvc/wide")
    eventually(lambda: before - room(driver, HERE) < GIB, seconds=60, every=0.5)


def test_a_claim_that_fits_on_no_node_is_not_asked_for_and_its_pod_says_why(kubectl: Kubectl) -> None:
    kubectl.make(claim("vast", size="900Ti"), pod("vast", "vast", "true"))
    (told, *_) = eventually(lambda: kubectl.events("vast", "FailedScheduling"), seconds=60, every=0.5)
    assert "did not have enough free storage" in told
    assert kubectl.events("vast", "Provisioning") == []


def test_a_class_that_allows_one_node_has_its_volumes_there(kubectl: Kubectl, only_elsewhere: str) -> None:
    kubectl.make(of_class(claim("there"), only_elsewhere), pod("there", "there", "true", rather=HERE))
    kubectl.wait("condition=Ready", "pod/there")
    assert kubectl.get("pod", "there")["spec"]["nodeName"] == ELSEWHERE


def test_a_clone_whose_class_does_not_allow_the_node_of_its_data_is_told_so(
    kubectl: Kubectl, only_elsewhere: str
) -> None:
    kubectl.make(claim("here"), pod("here", "here", "true", must=HERE))
    kubectl.wait("condition=Ready", "pod/here")
    kubectl.make(snapshot("here", "here"))
    kubectl.wait("jsonpath={.status.readyToUse}=true", "volumesnapshot/here")
    kubectl.make(of_class(claim("lost", of_snapshot("here")), only_elsewhere), pod("lost", "lost", "true"))
    (told, *_) = eventually(lambda: kubectl.events("lost", "PodCannotReachData"), seconds=90, every=0.5)
    assert f"node {HERE}" in told
