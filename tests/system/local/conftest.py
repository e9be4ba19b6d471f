from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.errors import RokcsiError
from tests.fakes.local_cluster import LocalWorld, local_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/system/local" in str(item.path):
            item.add_marker(pytest.mark.system)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="mounting needs root"))


@pytest.fixture
def world() -> Iterator[LocalWorld]:
    with local_world(real=True) as made:
        yield made
        cluster = made.cluster()
        for pod in cluster.pods():
            with suppress(RokcsiError):
                cluster.delete_pod(pod.name)
        cluster.close()


@pytest.fixture
def cluster(world: LocalWorld) -> Iterator[LocalCluster]:
    made = world.cluster()
    yield made
    made.close()
