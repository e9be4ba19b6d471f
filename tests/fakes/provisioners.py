"""A provisioner over a pool in memory, with what is around it at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.pools.admitting import AdmittingPool, Limits
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.interrupted_pool import InterruptedPool
from tests.fakes.scripted_checker import ScriptedChecker


@dataclass(frozen=True)
class ProvisionerInMemory:
    """`provisioner` with the strict `memory` pool inside it and the `checker` beside it."""

    provisioner: PoolProvisioner
    memory: MemoryPool
    checker: ScriptedChecker
    folder: Path

    @classmethod
    def over(cls, memory: MemoryPool, folder: Path, limits: Limits | None = None) -> ProvisionerInMemory:
        """Wrap the pool as it is served, and provision in it."""
        locks, checker = KeyedLocks(), ScriptedChecker()
        pool = LockedPool(IdempotentPool(AdmittingPool(memory, limits or Limits())), locks)
        return cls(PoolProvisioner(pool, checker, locks), memory, checker, folder)

    @classmethod
    def fresh(cls, folder: Path, limits: Limits | None = None) -> ProvisionerInMemory:
        """Begin with an empty pool below `folder`."""
        contents = folder / "contents"
        contents.mkdir()
        return cls.over(InterruptedPool(contents), folder, limits)

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Let the driver die, for a block, before it deletes or labels anything."""
        assert isinstance(self.memory, InterruptedPool)
        self.memory.interrupted = True
        yield
        self.memory.interrupted = False

    def restarted(self) -> ProvisionerInMemory:
        """Give what a restarted driver would have."""
        return self.over(self.memory.reopened(), self.folder)
