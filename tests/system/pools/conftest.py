from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.pools.loopfile import LoopFilePool
from tests.fakes.loop_file_pools import LoopFilePools, loop_file_pools
from tests.fakes.lvm_pools import check_shared_pools


@pytest.fixture(scope="session", autouse=True)
def thin_pools_are_sound_after_all_tests() -> Iterator[None]:
    """Fails the last test when thin_check finds fault with a pool on LVM."""
    yield
    check_shared_pools()


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    """Where pools are opened, in a folder that is cleaned up whatever happens."""
    with loop_file_pools(tmp_path) as pools:
        yield pools


@pytest.fixture
def pool(pools: LoopFilePools) -> LoopFilePool:
    """An open, empty pool."""
    return pools.open()
