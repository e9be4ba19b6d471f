"""What a pool has to bring to be tested by the contract suite, and what the tests hold in their hands.

A new technology writes one `PoolHarness` and names it in `harnesses.py`; every promise of
`rokcsi.model.pool` is then tested on it, strict and as it is served.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.snapshot import NewSnapshot, Snapshot


class PoolHarness(Protocol):
    """One kind of pool in a place of its own; `close` leaves nothing of it on the machine."""

    def open(self) -> Pool:
        """Give the strict pool, empty; called once."""

    def reopen(self, pool: Pool) -> Pool:
        """Give the strict pool that the next driver finds after this one was killed."""

    def in_use(self, pool: Pool, id: VolumeId) -> AbstractContextManager[None]:
        """Hold an attached volume as a mount would."""

    def failing_cuts(self, pool: Pool, member: int) -> Sequence[AbstractContextManager[None]]:
        """Give each way in which a cut can be made to fail, with Damaged, at this member, counted from 0."""

    def counted(self) -> None:
        """Wait until everything written so far is in the pool's figures."""

    def strays(self, pool: Pool) -> list[str]:
        """Name everything in the pool's place that belongs to no volume and no snapshot."""

    def close(self) -> None:
        """Let go of everything, whatever state it is in."""


@dataclass
class TestedPool:
    """A pool under test: `pool` is the one to talk to, with wrappers around the strict one or without."""

    __test__ = False  # pytest collects classes of such names

    harness: PoolHarness
    strict: Pool
    wrap: Callable[[Pool], Pool]
    pool: Pool

    @classmethod
    def opened(cls, harness: PoolHarness, wrap: Callable[[Pool], Pool]) -> TestedPool:
        """Open the harness's pool and wrap it."""
        strict = harness.open()
        return cls(harness, strict, wrap, wrap(strict))

    def restart(self) -> None:
        """Kill the driver and start the next one."""
        self.strict = self.harness.reopen(self.strict)
        self.pool = self.wrap(self.strict)

    def snapshot(self, name: str, volume: VolumeId) -> Sequence[Snapshot]:
        """Cut one snapshot."""
        return self.pool.take_snapshots([NewSnapshot(name, volume)])

    def in_use(self, id: VolumeId) -> AbstractContextManager[None]:
        """Hold an attached volume as a mount would."""
        return self.harness.in_use(self.strict, id)

    def strays(self) -> list[str]:
        """Name everything in the pool's place that belongs to nothing."""
        return self.harness.strays(self.strict)

    def write(self, id: VolumeId, offset: int, data: bytes) -> None:
        """Write durably to a volume's device, and take the device away again."""
        device = os.open(self.pool.attach(id), os.O_WRONLY)
        try:
            os.pwrite(device, data, offset)
            os.fsync(device)
        finally:
            os.close(device)
        self.pool.detach(id)

    def read(self, id: VolumeId) -> bytes:
        """Give a volume's whole contents."""
        data = self.pool.attach(id).read_bytes()
        self.detach_when_free(id)
        return data

    def digest(self, id: VolumeId) -> str:
        """Give the hash of a volume's whole contents."""
        return hashlib.sha256(self.read(id)).hexdigest()

    def detach_when_free(self, id: VolumeId) -> None:
        """Take the device away unless somebody holds it."""
        try:
            self.pool.detach(id)
        except StillInUse:
            return
