"""A pool on ZFS whose storage goes away, stops, or refuses writing: the driver says so, and never waits for ever."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rokcsi.model.errors import DidNotEnd, PoolAway, VolumeNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.zfs import ZfsPool
from rokcsi.system.command import Completed
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.zfs_pools import ZfsPools, zfs, zpool

pytestmark = pytest.mark.lab


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[ZfsPools]:
    there = ZfsPools(tmp_path)
    yield there
    there.close()


@pytest.fixture
def pool(pools: ZfsPools) -> Iterator[ZfsPool]:
    opened = pools.open()
    yield opened
    opened.close()


def deeds(pool: ZfsPool) -> list[Callable[[], object]]:
    volume, snapshot = VolumeId.of_name("a"), SnapshotId.of_name("s")
    return [
        lambda: pool.create_volume(new_volume("new")),
        lambda: pool.clone_snapshot(snapshot, new_clone("clone", pool.snapshot(snapshot))),
        lambda: pool.take_snapshots([NewSnapshot("new", volume)]),
        lambda: pool.label_volume(volume, {"a": "b"}),
        lambda: pool.grow_volume(volume, Bytes(2 * MIB)),
        lambda: pool.attach(volume),
        lambda: pool.attached(volume),
        lambda: pool.detach(volume),
        pool.capacity,
        pool.leftovers,
        lambda: pool.footprint(volume),
        lambda: pool.delete_snapshots([snapshot]),
        lambda: pool.delete_volume(volume),
    ]


def test_a_pool_in_use_by_a_driver_cannot_be_exported(pools: ZfsPools, pool: ZfsPool) -> None:
    assert "busy" in subprocess.run(["zpool", "export", pools.pool], capture_output=True, text=True, check=False).stderr
    pool.close()
    zpool("export", pools.pool)
    with pytest.raises(PoolAway, match="zpool import"):
        pools.open()
    zpool("import", "-d", str(pools.disk.parent), pools.pool)
    pools.open().close()


def test_a_read_only_pool_is_refused(pools: ZfsPools, pool: ZfsPool) -> None:
    pool.close()
    zpool("export", pools.pool)
    zpool("import", "-o", "readonly=on", "-d", str(pools.disk.parent), pools.pool)
    with pytest.raises(PoolAway, match="read-only"):
        pools.open()


def test_a_degraded_pool_works(tmp_path: Path) -> None:
    second = tmp_path / "second.img"
    pools = ZfsPools(tmp_path)
    try:
        with second.open("xb") as file:
            file.truncate(4 << 30)
        zpool("attach", pools.pool, str(pools.disk), str(second))
        zpool("wait", "-t", "resilver", pools.pool)
        zpool("offline", pools.pool, str(second))
        assert "DEGRADED" in zpool("list", pools.pool)
        pool = pools.open()
        pool.create_volume(new_volume("a"))
        pool.close()
    finally:
        pools.close()


@contextmanager
def slow(pool: ZfsPool, deed: Callable[[], None]) -> Iterator[None]:
    """Let the next command take too long for us, and do its work nevertheless."""
    zfs_tool = pool._store.zfs
    ended = zfs_tool._ended

    def late(argv: list[str], seconds: float) -> Completed:
        deed()
        ended(argv, seconds)
        zfs_tool._ended = ended  # type: ignore[method-assign]  # only one is slow
        raise DidNotEnd("it took too long")

    zfs_tool._ended = late  # type: ignore[method-assign,assignment]  # stands in for a pool that hangs
    try:
        yield
    finally:
        zfs_tool._ended = ended  # type: ignore[method-assign]  # as it was


def test_what_was_given_up_and_came_about_nevertheless_is_found(pools: ZfsPools, pool: ZfsPool) -> None:
    new = new_volume("a")
    with slow(pool, lambda: None), pytest.raises(DidNotEnd):
        pool.create_volume(new)
    volume = pool.volume(new.id)
    assert list(pool.volumes()) == [volume]
    with slow(pool, lambda: None), pytest.raises(DidNotEnd):
        pool.grow_volume(new.id, Bytes(4 * MIB))
    assert pool.volume(new.id).size == 4 * MIB
    again = pools.reopen(pool)
    assert again.volume(new.id).size == 4 * MIB
    again.close()


def test_what_was_given_up_and_never_came_about_is_not_there(pool: ZfsPool) -> None:
    def refuse() -> None:
        raise DidNotEnd("it took too long")

    new = new_volume("a")
    with slow(pool, refuse), pytest.raises(DidNotEnd):
        pool.create_volume(new)
    with pytest.raises(VolumeNotFound):
        pool.volume(new.id)
    assert pool.create_volume(new).id == new.id


class BrokenDisk:
    """A disk that can be made to fail, as a cable is pulled: a device of the device mapper."""

    def __init__(self, file: Path) -> None:
        losetup = ["losetup", "--find", "--show", str(file)]
        self._loop = subprocess.run(losetup, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
        self._sectors = file.stat().st_size // 512
        self.name = f"rokcsi-broken-{os.getpid()}"
        self._dmsetup("create", self.name, "--table", self._linear)

    @property
    def path(self) -> Path:
        return Path("/dev/mapper") / self.name

    @property
    def _linear(self) -> str:
        return f"0 {self._sectors} linear {self._loop} 0"

    def break_it(self) -> None:
        self._table(f"0 {self._sectors} error")

    def mend(self) -> None:
        self._table(self._linear)

    def close(self) -> None:
        self._dmsetup("remove", "--retry", self.name)
        subprocess.run(["losetup", "--detach", self._loop], check=False, timeout=30)

    def _table(self, table: str) -> None:
        self._dmsetup("suspend", "--noflush", "--nolockfs", self.name)
        self._dmsetup("load", self.name, "--table", table)
        self._dmsetup("resume", self.name)

    def _dmsetup(self, *words: str) -> None:
        subprocess.run(["dmsetup", *words], check=True, timeout=60)


def test_a_suspended_pool_is_said_to_be_and_works_again_when_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "disk.img"
    with file.open("xb") as opened:
        opened.truncate(1 << 30)
    disk = BrokenDisk(file)
    pools = ZfsPools(tmp_path, disk=disk.path)
    try:
        pool = pools.open()
        volume = pool.create_volume(new_volume("a"))
        [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
        disk.break_it()
        threading.Thread(target=_touch, args=(pools,), daemon=True).start()
        _await_state(pools.pool, "SUSPENDED")
        began = time.monotonic()
        for deed in deeds(pool):
            with pytest.raises(PoolAway, match="SUSPENDED"):
                deed()
        assert list(pool.volumes()) == [volume]
        assert list(pool.snapshots()) == [snapshot]
        assert time.monotonic() - began < 5
        disk.mend()
        zpool("clear", pools.pool)
        _await_state(pools.pool, "ONLINE")
        for deed in deeds(pool):
            deed()
        pool.close()
    finally:
        pools.close()
        disk.close()


def _touch(pools: ZfsPools) -> None:
    subprocess.run(["zfs", "set", "a:b=c", pools.dataset], check=False, timeout=300)


def _await_state(pool: str, state: str) -> None:
    until = time.monotonic() + 120
    while Path(f"/proc/spl/kstat/zfs/{pool}/state").read_text().strip() != state:
        assert time.monotonic() < until, f"the pool never became {state}"
        time.sleep(0.1)


def test_a_command_that_hangs_in_the_kernel_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool stops between our look at it and the command: the call ends, though its process cannot."""
    file = tmp_path / "disk.img"
    with file.open("xb") as opened:
        opened.truncate(1 << 30)
    disk = BrokenDisk(file)
    pools = ZfsPools(tmp_path, disk=disk.path)
    monkeypatch.setattr("rokcsi.system.zfs._CHANGE_SECONDS", 5.0)
    try:
        pool = pools.open()
        disk.break_it()
        began = time.monotonic()
        with pytest.raises((DidNotEnd, PoolAway)):
            pool.create_volume(new_volume("a"))
        assert time.monotonic() - began < 60
        with pytest.raises(PoolAway):
            pool.volumes()
        disk.mend()
        zpool("clear", pools.pool)
        _await_state(pools.pool, "ONLINE")
        names = [name for name in pools.names() if "@" not in name]
        assert len(names) == len(pool.volumes())
        pool.close()
    finally:
        pools.close()
        disk.close()


def test_nothing_of_a_stranger_is_asked_for(pools: ZfsPools, pool: ZfsPool) -> None:
    """A stream that was broken off leaves a token; such a dataset is passed over, and never removed."""
    volume = pool.create_volume(new_volume("a", 16))
    with pool.attach(volume.id).open("r+b") as device:
        device.write(os.urandom(12 * MIB))
        os.fsync(device.fileno())
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    theirs = f"{pools.dataset}/v-{VolumeId.of_name('theirs')}"
    name = f"{pools.dataset}/v-{volume.id}@s-{snapshot.id}"
    script = f"zfs send {name} | head -c 4000000 | zfs receive -s {theirs}"
    subprocess.run(["sh", "-c", script], check=False, capture_output=True, timeout=120)
    assert zfs("get", "-H", "-o", "value", "receive_resume_token", theirs).strip() != "-"
    again = pools.reopen(pool)
    assert theirs in pools.names()
    assert list(again.volumes()) == [volume]
    again.close()
