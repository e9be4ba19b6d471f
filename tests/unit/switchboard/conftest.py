from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.switchboards import FakeCluster, fake_cluster


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def cluster(folder: Path, authority: Authority) -> Iterator[FakeCluster]:
    with fake_cluster(folder, authority) as served:
        yield served
