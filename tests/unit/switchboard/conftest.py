from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.switchboards import FakeCluster, fake_cluster


@pytest.fixture
def cluster(folder: Path, authority: Authority) -> Iterator[FakeCluster]:
    with fake_cluster(folder, authority) as served:
        yield served
