from __future__ import annotations

from collections.abc import Iterator

import pytest

from rokcsi.local.cluster import LocalCluster
from tests.fakes.local_cluster import LocalWorld, local_world


@pytest.fixture
def world() -> Iterator[LocalWorld]:
    with local_world(real=False) as made:
        yield made


@pytest.fixture
def cluster(world: LocalWorld) -> Iterator[LocalCluster]:
    made = world.cluster()
    yield made
    made.close()
