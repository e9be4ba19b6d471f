"""ZFS pools that are really full, while they are written: nothing synced is lost, writers are told, deleting and growing are ways out."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from rokcsi.model.errors import PoolFull
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import Volume
from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.locks import KeyedLocks
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.zfs_pools import ZfsPools, zpool

pytestmark = [pytest.mark.lab, pytest.mark.slow]
T = TypeVar("T")

DISK = 512 * MIB
"""Of which ZFS keeps 128 MiB back, for what makes room again."""
SYNCED = 8


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[ZfsPools]:
    there = ZfsPools(tmp_path, size=DISK)
    yield there
    there.close()


def admitting(pool: Pool) -> Pool:
    return served(pool, Limits(overcommit=100.0), KeyedLocks())


def synced(device: Path) -> str:
    """Write durably to a device's beginning; give the hash of that."""
    content = os.urandom(SYNCED * MIB)
    with device.open("r+b", buffering=0) as opened:
        opened.write(content)
        os.fsync(opened.fileno())
    return hashlib.sha256(content).hexdigest()


def digest(device: Path) -> str:
    with device.open("rb", buffering=0) as opened:
        return hashlib.sha256(opened.read(SYNCED * MIB)).hexdigest()


def taken(device: Path, begin: int, end: int) -> int:
    """Write at these mebibytes, past the page cache; give up to which of them before a write met an error."""
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, MIB) as block:
            for number in range(begin, end):
                block.seek(0)
                block.write(os.urandom(MIB))
                try:
                    os.pwrite(fd, block, number * MIB)
                except OSError:
                    return number
    finally:
        os.close(fd)
    return end


def written_at_once(devices: Sequence[Path], begin: int, end: int) -> list[int]:
    """Let each device have a writer of its own; give up to where each came."""
    with ThreadPoolExecutor(len(devices)) as writers:
        return list(writers.map(lambda device: taken(device, begin, end), devices))


def fill(*devices: Path) -> None:
    """Write to these devices at the same time until every writer has met an error."""
    told = written_at_once(devices, SYNCED, 2048)
    assert max(told) < 2048, "a writer was not told that the pool is full"


def enlarge(pools: ZfsPools) -> None:
    """Give the pool more room, as an admin does whose disk has grown."""
    with pools.disk.open("r+b") as disk:
        disk.truncate(2 * DISK)
    zpool("online", "-e", pools.pool, str(pools.disk))


def awaited(holds: Callable[[], bool]) -> None:
    """Wait for what ZFS does in the background."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.2)


def two(pool: ZfsPool) -> list[Volume]:
    return [pool.create_volume(new_volume(name, 2048)) for name in "ab"]


def test_a_full_pool_loses_nothing_that_was_synced_and_goes_on_when_it_is_larger(pools: ZfsPools) -> None:
    pool = pools.open()
    volumes = two(pool)
    devices = [pool.attach(volume.id) for volume in volumes]
    digests = [synced(device) for device in devices]
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volumes[0].id)])
    fill(*devices)
    there = pools.names()
    assert [digest(device) for device in devices] == digests
    for change in (
        lambda: pool.create_volume(new_volume("c", 4)),
        lambda: pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)),
        lambda: pool.take_snapshots([NewSnapshot("t", volumes[1].id)]),
        lambda: pool.take_snapshots([NewSnapshot("t", volumes[1].id), NewSnapshot("u", volumes[0].id)]),
    ):
        with pytest.raises(PoolFull, match="no room is left"):
            change()
    with pytest.raises(PoolFull, match="full, and takes nothing new above 85%"):
        admitting(pool).create_volume(new_volume("c", 4))
    assert pools.names() == there, "what was refused has left something"
    pool.label_volume(volumes[0].id, {"full": "yes"})

    enlarge(pools)
    awaited(lambda: pool.capacity().available > 256 * MIB)
    assert taken(devices[0], 0, SYNCED) == SYNCED, "what the snapshot shares"
    assert taken(devices[1], SYNCED, 64) == 64
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert digest(pool.attach(clone.id)) == digests[0]
    again = _from_disk(pools, pool)
    assert digest(again.attach(clone.id)) == digests[0]
    assert digest(again.attach(volumes[1].id)) == digests[1]
    assert again.volume(volumes[0].id).labels == {"full": "yes"}
    again.close()


def _from_disk(pools: ZfsPools, pool: ZfsPool) -> ZfsPool:
    """Open the pool with nothing of it in memory any more."""
    pool.close()
    zpool("export", pools.pool)
    zpool("import", "-d", str(pools.disk.parent), pools.pool)
    return pools.open()


def test_deleting_gives_a_full_pool_its_room_back(pools: ZfsPools) -> None:
    pool = pools.open()
    kept, going = two(pool)
    device = pool.attach(kept.id)
    content = synced(device)
    fill(pool.attach(going.id))
    accepted = threading.Event()

    def write_until_accepted() -> None:
        awaited(lambda: taken(device, SYNCED, 64) == 64)
        accepted.set()

    writer = threading.Thread(target=write_until_accepted)
    writer.start()
    pool.delete_volume(going.id)
    writer.join()
    assert accepted.is_set(), "writers go on by themselves when there is room again"
    awaited(lambda: pool.capacity().available > 128 * MIB)
    assert digest(device) == content
    assert pool.create_volume(new_volume("b", 4)).size == 4 * MIB
    pool.close()


def test_what_a_snapshot_keeps_of_a_full_pool_is_shown_and_comes_back_with_its_last_clone(pools: ZfsPools) -> None:
    pool = pools.open()
    small = pool.create_volume(new_volume("small", 64))
    device = pool.attach(small.id)
    assert taken(device, 0, 64) == 64
    [snapshot] = pool.take_snapshots([NewSnapshot("s", small.id)])
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    big = pool.create_volume(new_volume("big", 2048))
    fill(pool.attach(big.id))
    pool.delete_snapshots([snapshot.id])
    pool.delete_volume(small.id)
    assert pool.capacity().kept >= 60 * MIB
    pool.delete_volume(clone.id)
    assert pool.capacity().kept == 0
    assert [name for name in pools.names() if "@" in name] == []
    awaited(lambda: pool.capacity().available >= 32 * MIB)
    assert taken(pool.attach(big.id), 0, 4) == 4
    pool.close()


def test_a_program_on_a_mounted_volume_is_told_and_finds_its_files_again(pools: ZfsPools) -> None:
    pool = pools.open()
    volume = pools.formatted(pool, "a", "xfs", Bytes(2048 * MIB))
    big = pool.create_volume(new_volume("big", 2048))
    content = os.urandom(SYNCED * MIB)
    with pools.mounted(pool, volume) as point:
        with (point / "early").open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        fill(pool.attach(big.id))
        with pytest.raises(OSError, match=r"[Ee]rror|space"):
            _write_for_ever(point / "late")
    enlarge(pools)
    awaited(lambda: pool.capacity().available > 256 * MIB)
    with pools.mounted(pool, volume) as point:
        assert (point / "early").read_bytes() == content
        (point / "again").write_bytes(content)
        os.sync()
        assert (point / "again").read_bytes() == content
    pool.close()


def _write_for_ever(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        for _ in range(1024):
            opened.write(os.urandom(MIB))
            os.fsync(opened.fileno())


def test_volumes_whose_sizes_are_set_aside_are_written_whole_and_again_whatever_snapshots_keep(pools: ZfsPools) -> None:
    strict = pools.open(reserve=True)
    pool = served(strict, Limits(overcommit=1.0), KeyedLocks())
    volumes = _until_full(lambda number: pool.create_volume(new_volume(f"v{number}", 48)))
    assert len(volumes) >= 4
    devices = [pool.attach(volume.id) for volume in volumes]
    assert written_at_once(devices, 0, 48) == [48] * len(devices)
    snapshots = _until_full(lambda number: pool.take_snapshots([NewSnapshot(f"s{number}", volumes[0].id)])[0])
    assert len(pools.names()) == len(volumes) + len(snapshots), "what was refused has left something"
    assert written_at_once(devices, 0, 48) == [48] * len(devices)
    strict.close()


def _until_full(deed: Callable[[int], T]) -> list[T]:
    """Do it until the pool is too full for it; give what it gave each time."""
    given: list[T] = []
    with suppress(PoolFull):
        while len(given) < 100:
            given.append(deed(len(given)))
    assert len(given) < 100, "the pool takes everything"
    return given
