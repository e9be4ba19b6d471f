from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.pools.loopfile import LoopFilePool
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    """Where pools are opened, in a folder that is cleaned up whatever happens."""
    with loop_file_pools(tmp_path) as pools:
        yield pools


@pytest.fixture
def pool(pools: LoopFilePools) -> LoopFilePool:
    """An open, empty pool."""
    return pools.open()
