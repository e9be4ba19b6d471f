"""The pools that keep the contract. A new one is named in HARNESSES, and that is all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.pools.memory import MemoryPool
from tests.contract.harness import PoolHarness
from tests.contract.loopfile_harness import loopfile
from tests.contract.lvm_direct_harness import lvm_direct
from tests.contract.lvm_harness import lvm
from tests.contract.zfs_harness import zfs_pool


class MemoryHarness:
    """The pool of the unit tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self) -> Pool:
        """Begin with an empty folder."""
        return MemoryPool(self._folder, raw_snapshots_together=False)

    def reopen(self, pool: Pool) -> Pool:
        """Forget all but the records."""
        return _memory(pool).reopened()

    def in_use(self, pool: Pool, id: VolumeId) -> AbstractContextManager[None]:
        """Say that something holds it."""
        return _memory(pool).held(id)

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Use the pool's own trap."""
        return [_failing(_memory(pool), member)]

    def counted(self) -> None:
        """Files count at once."""

    def strays(self, pool: Pool) -> list[str]:
        """Compare the files with the records."""
        known = {f"v-{volume.id}" for volume in pool.volumes()} | {f"s-{it.id}" for it in pool.snapshots()}
        return sorted(path.name for path in self._folder.iterdir() if path.name not in known)

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def _failing(pool: MemoryPool, member: int) -> Iterator[None]:
    pool.fail_cut_at(member)
    yield


def _memory(pool: Pool) -> MemoryPool:
    assert isinstance(pool, MemoryPool)
    return pool


@contextmanager
def memory(folder: Path) -> Iterator[PoolHarness]:
    """Give a pool in memory whose contents are below `folder`."""
    yield MemoryHarness(folder)


HARNESSES: Mapping[str, Callable[[Path], AbstractContextManager[PoolHarness]]] = {
    "memory": memory,
    "loopfile": loopfile(None),
    "loopfile-on-xfs": loopfile("xfs"),
    "loopfile-on-btrfs": loopfile("btrfs"),
    "lvm": lvm,
    "lvm-direct": lvm_direct,
    "zfs": zfs_pool,
}
NEED_LAB = frozenset({"lvm", "lvm-direct", "zfs"})
NEED_ROOT = frozenset(HARNESSES) - {"memory"} - NEED_LAB


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """Give what the tests of this pool need: nothing, root, or the lab."""
    if name in NEED_LAB:
        return [pytest.mark.lab]
    return [pytest.mark.system] if name in NEED_ROOT else []
