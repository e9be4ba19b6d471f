"""Pools of logical volumes for lab tests: one volume group for all tests of a process, one thin pool for each."""

from __future__ import annotations

import atexit
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from rokcsi.pools.lvm import LvmPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from tests.fakes.counting_runner import CountingRunner
from tests.fakes.volume_groups import VolumeGroup, volume_group

_MIB = 1 << 20
_numbers = itertools.count()
_shared: list[str] = []


@cache
def shared_group() -> VolumeGroup:
    """Give the volume group that the tests of this process share; it goes with the process."""
    ending = ExitStack()
    atexit.register(ending.close)
    folder = ending.enter_context(tempfile.TemporaryDirectory())
    return ending.enter_context(volume_group(Path(folder), 6144))


@cache
def shared_pool(mebibytes: int) -> str:
    """Give a thin pool of that group which the tests share one after the other, by its name."""
    name = f"pool{next(_numbers)}"
    _shared.append(name)
    shared_group().thin_pool(name, mebibytes, "--chunksize", "64k", metadata=8)
    return name


def check_shared_pools() -> None:
    """Let thin_check look at the metadata of all pools that were shared, if any; raise AssertionError for a broken one."""
    for name in _shared:
        shared_group().thin_check(name)


class LvmPools:
    """Pools on one thin pool, opened one after the other; what a test leaves in it is gone before the next."""

    def __init__(self, *, mebibytes: int = 1024) -> None:
        self.group = shared_group()
        self.name = shared_pool(mebibytes)
        self.table = MountTable()
        self.runner = CountingRunner()
        self._open: LvmPool | None = None

    @property
    def specification(self) -> str:
        """What `--pool` is told."""
        return f"lvm:{self.group.name}/{self.name}"

    def open(self) -> LvmPool:
        """Open the pool; it is closed with this at the latest."""
        self._open = LvmPool.open(
            self.group.name, self.name, points=self.table, locks=KeyedLocks(), runners=self._counting
        )
        return self._open

    def shown(self, *fields: str) -> dict[str, tuple[str, ...]]:
        """Give what `lvs` shows of the thin pool's volumes, by their names."""
        options = ("--noheadings", "--separator", ";", "--options", ",".join(("lv_name", *fields)))
        lines = self.group.run("lvs", *options, "--select", f"pool_lv={self.name}", self.group.name).splitlines()
        rows = [line.strip().split(";") for line in lines]
        return {row[0]: tuple(row[1:]) for row in rows}

    def identity(self) -> str:
        """Give the tag that says which pool this is."""
        tags = self.group.run("lvs", "--noheadings", "--options", "lv_tags", self.path(self.name)).strip().split(",")
        return next(tag for tag in tags if tag.startswith("rokcsi.pool:"))

    def path(self, name: str) -> str:
        """Give a logical volume's path as LVM's commands take it."""
        return f"{self.group.name}/{name}"

    def _counting(self, held: int) -> CountingRunner:
        self.runner = CountingRunner(held)
        return self.runner

    def reopen(self, pool: LvmPool) -> LvmPool:
        """Open it again, as after the driver was killed: nothing of it ends in order but its locks."""
        pool.close()
        return self.open()

    def close(self) -> None:
        """Remove all that is in the thin pool."""
        if self._open is not None:
            self._open.close()
        self.table.close()
        self.group.run("lvremove", "--yes", "--force", "--select", f"pool_lv={self.name}", self.group.name)


@contextmanager
def lvm_pools(*, mebibytes: int = 1024) -> Iterator[LvmPools]:
    """Give a place for pools for a block."""
    pools = LvmPools(mebibytes=mebibytes)
    try:
        yield pools
    finally:
        pools.close()
