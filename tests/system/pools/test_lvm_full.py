"""Thin pools that are really full, of data and of metadata: nothing synced is lost, writers are told, deleting is the way out."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rokcsi.model.errors import PoolFull
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.admitting import Limits
from rokcsi.pools.lvm import LvmPool
from rokcsi.pools.opening import served
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from tests.fakes.lvm_pools import shared_group
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.volume_groups import VolumeGroup

pytestmark = pytest.mark.lab

CHUNK = 64 << 10


class SmallPool:
    """A thin pool that is soon full, with the pool on it, strict and as it is served."""

    def __init__(self, group: VolumeGroup, name: str) -> None:
        self.group = group
        self.name = name
        self.strict = LvmPool.open(group.name, name, points=MountTable(), locks=KeyedLocks())

    def served(self, limits: Limits) -> Pool:
        """Give the pool with its admission."""
        return served(self.strict, limits, KeyedLocks())

    def path(self) -> str:
        """Give it as LVM's commands take it."""
        return f"{self.group.name}/{self.name}"


@pytest.fixture
def making() -> Iterator[Callable[..., SmallPool]]:
    group, made = shared_group(), []

    def make(name: str, mebibytes: int, *options: str, metadata: int = 8) -> SmallPool:
        options = ("--chunksize", "64k", "--errorwhenfull", "y", "--discards", "passdown", *options)
        group.thin_pool(name, mebibytes, *options, metadata=metadata)
        made.append(SmallPool(group, name))
        return made[-1]

    yield make
    for pool in made:
        pool.strict.close()
        group.remove(pool.name)


def filled(device: Path, mebibytes: int) -> str:
    """Write durably to a device's beginning; give the hash of that."""
    data = os.urandom(mebibytes * MIB)
    with device.open("r+b", buffering=0) as opened:
        opened.write(data)
        os.fsync(opened.fileno())
    return hashlib.sha256(data).hexdigest()


def digest(device: Path, mebibytes: int) -> str:
    """Give the hash of a device's beginning as it is on the disk, past the page cache."""
    found = hashlib.sha256()
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, MIB) as buffer:
        for number in range(mebibytes):
            os.preadv(fd, [buffer], number * MIB)
            found.update(buffer)
    os.close(fd)
    return found.hexdigest()


def written_until_refused(device: Path, offsets: Iterator[int]) -> int | None:
    """Write a block at each of these places, past the page cache; give the error that a write met, None when none did."""
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as block:
            block.write(b"later" * 800)
            for offset in offsets:
                os.pwrite(fd, block, offset)
    except OSError as error:
        return error.errno
    finally:
        os.close(fd)
    return None


def chunks(begin: int, end: int, step: int = 1) -> Iterator[int]:
    return iter(range(begin, end, step * CHUNK))


def test_a_pool_full_of_data_loses_nothing_that_was_synced_and_goes_on_when_it_is_larger(
    making: Callable[..., SmallPool],
) -> None:
    small = making("small", 64)
    pool, admitting = small.strict, small.served(Limits(overcommit=10.0, data_limit=0.4))
    volumes: list[Volume] = [pool.create_volume(new_volume(name, 64)) for name in "ab"]
    devices = [pool.attach(volume.id) for volume in volumes]
    digests = [filled(device, 16) for device in devices]
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volumes[0].id)])
    with pytest.raises(PoolFull, match="full, and takes nothing new above 40%"):
        admitting.take_snapshots([NewSnapshot("t", volumes[0].id)])

    with ThreadPoolExecutor() as writers:
        met = writers.map(lambda device: written_until_refused(device, chunks(16 * MIB, 64 * MIB)), devices)
    assert None not in met
    assert pool.capacity().used == pool.capacity().total
    assert [digest(device, 16) for device in devices] == digests
    for refused in (
        lambda: pool.create_volume(new_volume("c", 4)),
        lambda: pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)),
        lambda: pool.take_snapshots([NewSnapshot("t", volumes[1].id)]),
        lambda: pool.take_snapshots([NewSnapshot("t", volumes[1].id), NewSnapshot("u", volumes[0].id)]),
    ):
        with pytest.raises(PoolFull):
            refused()
    assert [it.id for it in pool.snapshots()] == [snapshot.id]
    assert [leftover.kind for leftover in pool.leftovers() if leftover.kind != "device"] == []
    pool.label_volume(volumes[0].id, {"full": "yes"})
    assert written_until_refused(devices[0], iter([0])) is not None  # a chunk that the snapshot has too

    small.group.run("lvextend", "--size", "+64m", small.path())
    assert written_until_refused(devices[0], chunks(16 * MIB, 32 * MIB)) is None
    assert [digest(device, 16) for device in devices] == digests
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert digest(pool.attach(clone.id), 16) == digests[0]


def test_deleting_gives_a_full_pool_its_room_back(making: Callable[..., SmallPool]) -> None:
    small = making("small", 32)
    pool = small.strict
    for name in "ab":
        pool.create_volume(new_volume(name, 64))
    device, other = (pool.attach(volume.id) for volume in sorted(pool.volumes(), key=lambda volume: volume.name))
    synced = filled(device, 8)
    assert written_until_refused(other, chunks(0, 64 * MIB)) is not None
    pool.delete_volume(new_volume("b").id)
    assert pool.capacity().used < 16 * MIB
    assert written_until_refused(device, chunks(8 * MIB, 16 * MIB)) is None
    assert digest(device, 8) == synced


def test_a_pool_full_of_metadata_loses_nothing_that_was_synced_deletes_and_goes_on_when_it_is_larger(
    making: Callable[..., SmallPool],
) -> None:
    # The kernel needs no more than the first block of a chunk, so that 200 MiB make mappings for 3 GiB.
    small = making("meta", 3584, "--zero", "n", metadata=2)
    pool = small.strict
    big = pool.create_volume(NewVolume("big", Bytes(3180 * MIB), None))
    device = pool.attach(big.id)
    synced = filled(device, 4)
    assert written_until_refused(device, chunks(4 * MIB, 3180 * MIB)) is None
    limits = Limits(overcommit=100.0, data_limit=1.0, metadata_limit=pool.capacity().metadata_used or 0.0)
    admitting = small.served(limits)
    [first] = admitting.take_snapshots([NewSnapshot("s", big.id)])
    assert written_until_refused(device, chunks(4 * MIB, 700 * MIB, step=60)) is None
    with pytest.raises(PoolFull, match="metadata"):
        admitting.take_snapshots([NewSnapshot("t", big.id)])
    pool.take_snapshots([NewSnapshot("u", big.id)])
    assert written_until_refused(device, chunks(4 * MIB, 3180 * MIB, step=60)) is not None
    assert pool.capacity().metadata_used == 1.0
    assert digest(device, 4) == synced

    with pytest.raises(PoolFull, match="poolmetadatasize"):
        pool.take_snapshots([NewSnapshot("t", big.id)])
    pool.delete_snapshots([first.id])
    assert {it.name for it in pool.snapshots()} == {"u"}

    small.group.run("lvextend", "--poolmetadatasize", "+6m", small.path())
    assert written_until_refused(device, chunks(4 * MIB, 3180 * MIB, step=60)) is None
    [after] = pool.take_snapshots([NewSnapshot("t", big.id)])
    assert digest(device, 4) == synced
    clone = pool.clone_snapshot(after.id, new_clone("c", after))
    assert digest(pool.attach(clone.id), 4) == synced
    assert (pool.capacity().metadata_used or 1.0) < 0.7


def test_a_volume_group_whose_own_metadata_is_full_refuses_and_deletes(making: Callable[..., SmallPool]) -> None:
    small = making("text", 64)
    pool, admitting = small.strict, small.served(Limits(overcommit=100.0))
    pool.create_volume(new_volume("a"))
    filler = {f"label-{number}": "x" * 900 for number in range(60)}
    used = [pool.capacity().metadata_used or 0.0]

    def fill() -> None:
        for number in range(20):
            pool.create_volume(NewVolume(f"v{number}", Bytes(MIB), None, labels=filler))
            used.append(pool.capacity().metadata_used or 0.0)

    with pytest.raises(PoolFull, match="own metadata area is full"):
        fill()
    assert used[-1] > 0.85
    assert used == sorted(used)
    with pytest.raises(PoolFull, match=r"metadata of the pool .* is .* full"):
        admitting.create_volume(new_volume("b"))
    before = pool.volume(new_volume("a").id)
    with pytest.raises(PoolFull):
        pool.label_volume(before.id, filler)
    assert pool.volume(before.id) == before
    for volume in list(pool.volumes()):
        pool.delete_volume(volume.id)
    admitting.create_volume(new_volume("b"))
    group = pool._opened.access.lvm.group()
    assert abs(group.metadata_used - (pool.capacity().metadata_used or 0.0)) < 0.12  # the thin pool's may be the larger
