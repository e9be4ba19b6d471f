from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import CallerGone, LockTimeout
from rokcsi.model.ids import SnapshotId
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.idempotent import IdempotentPool
from rokcsi.pools.locked import LockedPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.pools.wrapper import PoolWrapper
from rokcsi.system.locks import KeyedLocks
from tests.fakes.pool_records import new_clone, new_volume

PATIENCE = 20.0


class GatedPool(PoolWrapper):
    """Stops in the middle of a clone or a cut until the gate opens."""

    def __init__(self, inner: MemoryPool, parties: int) -> None:
        super().__init__(inner)
        self.inside = threading.Barrier(parties)
        self.gate = threading.Event()

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        self.inside.wait(PATIENCE)
        return super().clone_snapshot(id, new)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        self.inside.wait(PATIENCE)
        assert self.gate.wait(PATIENCE)
        return super().take_snapshots(news, aligned=aligned)


def test_several_clones_of_one_snapshot_are_made_at_once(tmp_path: Path) -> None:
    memory = MemoryPool(tmp_path)
    volume = memory.create_volume(new_volume("a"))
    [snapshot] = memory.take_snapshots([NewSnapshot("s", volume.id)])
    pool = LockedPool(GatedPool(memory, parties=4), KeyedLocks())
    with ThreadPoolExecutor(4) as threads:
        clones = [threads.submit(pool.clone_snapshot, snapshot.id, new_clone(f"c{n}", snapshot)) for n in range(4)]
        assert len({clone.result(PATIENCE).id for clone in clones}) == 4


def test_a_volume_being_cut_is_not_deleted_meanwhile(tmp_path: Path) -> None:
    memory = MemoryPool(tmp_path)
    volume = memory.create_volume(new_volume("a"))
    gated = GatedPool(memory, parties=2)
    pool = LockedPool(gated, KeyedLocks())
    with ThreadPoolExecutor(1) as threads:
        cut = threads.submit(pool.take_snapshots, [NewSnapshot("s", volume.id)])
        gated.inside.wait(PATIENCE)
        try:
            with deadline(Deadline(at=time.monotonic() + 0.05)), pytest.raises(LockTimeout):
                pool.delete_volume(volume.id)
        finally:
            gated.gate.set()
        assert len(cut.result(PATIENCE)) == 1
    pool.delete_volume(volume.id)


def test_nothing_is_done_for_a_caller_who_has_gone(tmp_path: Path) -> None:
    pool = LockedPool(MemoryPool(tmp_path), KeyedLocks())
    with deadline(Deadline(caller_is_there=lambda: False)), pytest.raises(CallerGone):
        pool.create_volume(new_volume("a"))
    assert list(pool.volumes()) == []


def test_duplicates_at_the_same_time_make_one_volume(tmp_path: Path) -> None:
    pool = LockedPool(IdempotentPool(MemoryPool(tmp_path)), KeyedLocks())
    with ThreadPoolExecutor(8) as threads:
        made = {volume.created_at for volume in threads.map(lambda _: pool.create_volume(new_volume("a")), range(64))}
    assert len(made) == 1
