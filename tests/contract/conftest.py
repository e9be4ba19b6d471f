from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.pool import Pool
from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.system.locks import KeyedLocks
from tests.contract.harness import PoolHarness, TestedPool
from tests.contract.harnesses import HARNESSES, marks_of
from tests.fakes.lvm_pools import check_shared_pools

ROOMY = Limits(overcommit=1000.0, data_limit=0.99)


def as_served(pool: Pool) -> Pool:
    return served(pool, ROOMY, KeyedLocks())


@pytest.fixture(scope="session", autouse=True)
def thin_pools_are_sound_after_all_tests() -> Iterator[None]:
    """Fails the last test when thin_check finds fault with a pool on LVM."""
    yield
    check_shared_pools()


@pytest.fixture(params=[pytest.param(name, marks=marks_of(name)) for name in HARNESSES])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PoolHarness]:
    """One pool after the other, each in a place of its own."""
    with HARNESSES[request.param](tmp_path) as harness:
        yield harness


@pytest.fixture
def tested(harness: PoolHarness) -> TestedPool:
    """The pool as it is served: within all wrappers."""
    return TestedPool.opened(harness, as_served)


@pytest.fixture
def bare(harness: PoolHarness) -> TestedPool:
    """The strict pool itself."""
    return TestedPool.opened(harness, lambda pool: pool)
