"""A namespace of its own for each module of tests in the lab's cluster; `make lab-kubernetes` brings it up."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.lab.kubernetes.checkpoints import switched_on
from tests.lab.kubernetes.kubectl import Kubectl, removed

DRIVER = "rokcsi-system"


@pytest.fixture(scope="session")
def driver() -> Kubectl:
    """Give kubectl in the namespace of the driver."""
    kubectl = Kubectl(DRIVER)
    kubectl.wait("condition=Available", "deployment/rok-timeline", "deployment/rok-controller")
    return kubectl


@pytest.fixture(scope="session")
def checkpoints(driver: Kubectl) -> Iterator[None]:
    """Have checkpoints at the mount switched on from the first test that asks for them to the last of all."""
    with switched_on(driver):
        yield


@pytest.fixture(scope="module")
def kubectl(driver: Kubectl) -> Iterator[Kubectl]:
    """Give kubectl in a new namespace, which goes with all that is in it, its volumes too."""
    name = f"lab-{secrets.token_hex(3)}"
    driver("create", "namespace", name)
    yield Kubectl(name)
    removed(driver, name)
