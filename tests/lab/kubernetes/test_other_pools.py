"""Nodes whose label gives them another pool than all the others have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import claim, pod
from tests.lab.kubernetes.release import upgraded
from tests.lab.kubernetes.survivors import driver_on

pytestmark = pytest.mark.lab
NODE = "lab-node-2"


def pool_of(kubectl: Kubectl, name: str) -> str:
    """Have a claim on the node, give the pool that its volume is in, and take it away again."""
    kubectl.make(claim(name), pod(name, name, "date >file; sync", must=NODE))
    kubectl.wait("condition=Ready", f"pod/{name}")
    volume = kubectl.get("pvc", name)["spec"]["volumeName"]
    handle = str(kubectl.get("pv", volume)["spec"]["csi"]["volumeHandle"])
    kubectl("delete", f"pod/{name}", f"pvc/{name}", "--timeout=60s")
    kubectl.wait("delete", f"pv/{volume}")
    return handle.split("-")[1]


@pytest.fixture
def usual_pool(kubectl: Kubectl, driver: Kubectl) -> str:
    assert driver_on(driver, NODE)
    return pool_of(kubectl, "usual")


@pytest.fixture
def other_pool(driver: Kubectl, usual_pool: str) -> Iterator[str]:
    """Have the node's driver serve another pool for the length of the block; give the one that it had."""
    driver("label", "node", NODE, "rokcsi.dev/pool=other")
    upgraded("node.pools.values.other.pool=loopfile:/var/lib/rokcsi/other")
    yield usual_pool
    driver("label", "node", NODE, "rokcsi.dev/pool-")
    upgraded("node.pools.values=null")
    assert driver_on(driver, NODE)


def test_a_node_has_the_pool_that_its_label_names(kubectl: Kubectl, driver: Kubectl, other_pool: str) -> None:
    assert driver_on(driver, NODE).startswith("rok-node-other-")
    assert pool_of(kubectl, "other") != other_pool
