"""The loop-file pool when it is opened: on a full disk, after a kill, over damage, in another mount namespace."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.model.errors import Damaged, PoolFull, PoolTaken, StillInUse, VolumeDamaged, VolumeExists, VolumeNotFound
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.pools.loopfile.image import PoolImage
from rokcsi.pools.loopfile.records import ATTRIBUTE
from rokcsi.system.command import Completed, HostRunner
from rokcsi.system.freezing import Freezer
from rokcsi.system.ioctls import thaw_filesystem
from rokcsi.system.mounts import MountTable
from tests.fakes.loop_disks import LoopDisks, loop_disks, run
from tests.fakes.loop_file_pools import LoopFilePools

pytestmark = pytest.mark.system

MIB = 1 << 20
RAW = Bytes(16 * MIB)
XFS = Bytes(300 * MIB)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    folder = tmp_path / "disks"
    folder.mkdir()
    with loop_disks(folder) as disks:
        yield disks


@pytest.fixture
def freezer() -> Iterator[Freezer]:
    freezer = Freezer(MountTable())
    yield freezer
    freezer.close()


def volume(pool: LoopFilePool, name: str) -> VolumeId:
    return pool.create_volume(NewVolume(name, RAW, None)).id


def fill_to_the_last_block(folder: Path) -> None:
    """Take all room there is: with data in ever smaller pieces, with names, and with data again."""
    with (folder / "junk").open("xb", buffering=0) as junk:
        for size in (MIB, 4096, 0, 4096, 4096):
            with suppress(OSError):
                for number in range(100_000):
                    if size:
                        junk.write(bytes(size))
                    else:
                        (folder / f"name-{number}").touch()
            run("sync", "-f", folder)
        with pytest.raises(OSError, match="No space"):
            junk.write(bytes(4096))


def test_a_really_full_pool_can_be_opened_again_and_deleted_from(disks: LoopDisks, freezer: Freezer) -> None:
    device = disks.disk("full", 320 * MIB, "xfs")
    host = disks.folder / "host"
    host.mkdir()
    run("mount", device, host)
    pool = LoopFilePool.open(host / "pool", freezer=freezer)
    assert not (host / "pool" / "pool.xfs").exists()
    id_ = volume(pool, "v")
    pool.close()
    fill_to_the_last_block(host)
    again = LoopFilePool.open(host / "pool", freezer=freezer)
    with pytest.raises(PoolFull):
        again.create_volume(NewVolume("formatted", XFS, "xfs"))
    again.delete_volume(id_)
    assert list(again.volumes()) == []
    again.close()


class NoRoom(HostRunner):
    """Runs mkfs where there is no room for what it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        """Fill the folder, then run the program."""
        with suppress(OSError), (self._folder / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(MIB))
        return super().run(argv, timeout_seconds=timeout_seconds, accepted_statuses=accepted_statuses)


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_file_system_that_finds_no_room_while_it_is_made_is_a_full_pool(
    pools: LoopFilePools, filesystem: str
) -> None:
    pool = LoopFilePool.open(pools.place, freezer=pools.freezer, image_size=XFS)
    pool._files._templates._runner = NoRoom(pool._disk.root)
    with pytest.raises(PoolFull, match="delete snapshots or volumes"):
        pool.create_volume(NewVolume("v", Bytes(20 << 30), filesystem))
    assert list(pool._disk.templates.iterdir()) == []
    assert list(pool.volumes()) == []


def test_the_image_is_its_owner_s_alone_whatever_the_umask(pools: LoopFilePools) -> None:
    for umask in (0o000, 0o777):
        image = PoolImage(pools.folder / f"umask-{umask:o}")
        image.file.parent.mkdir()
        before = os.umask(umask)
        try:
            image._make(HostRunner(), XFS)
        finally:
            os.umask(before)
        assert stat.S_IMODE(image.file.stat().st_mode) == 0o600


def test_an_open_that_fails_gives_everything_back(pools: LoopFilePools, monkeypatch: pytest.MonkeyPatch) -> None:
    pools.open().close()

    def fail(*_: object) -> None:
        raise Damaged("as the test wants it")

    with monkeypatch.context() as broken:
        broken.setattr("rokcsi.pools.loopfile.pool.read_pool", fail)
        with pytest.raises(Damaged, match="as the test"):
            pools.open()
    assert not (pools.place / "mnt").is_mount()
    assert str(pools.place / "pool.xfs") not in run("losetup", "-a")
    assert list(pools.open().volumes()) == []


def test_the_folder_is_given_back_also_when_the_image_cannot_be_unmounted(
    pools: LoopFilePools, pool: LoopFilePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: PoolImage) -> None:
        raise Damaged("as the test wants it")

    with monkeypatch.context() as broken:
        broken.setattr(PoolImage, "unmount", fail)
        with pytest.raises(Damaged, match="as the test"):
            pool.close()
    try:
        pools.open()
    except PoolTaken:
        pytest.fail("the folder was kept")


_DAMAGE: dict[str, Callable[[Path], None]] = {
    "missing": lambda file: os.removexattr(file, ATTRIBUTE),
    "cut short": lambda file: os.setxattr(file, ATTRIBUTE, os.getxattr(file, ATTRIBUTE)[:20]),
    "nested": lambda file: os.setxattr(file, ATTRIBUTE, b"[" * 20_000),
    "of a newer form": lambda file: os.setxattr(file, ATTRIBUTE, b'{"r":99}'),
}


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE)
def test_one_damaged_record_keeps_one_volume_away_and_no_other(
    pools: LoopFilePools, pool: LoopFilePool, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = volume(pool, "bad"), volume(pool, "good")
    file = pool._disk.volume(bad)
    damage(file)
    pool = pools.reopen(pool)
    assert [found.id for found in pool.volumes()] == [good]
    assert str(file) in caplog.text
    for asked in (pool.volume, pool.attach, pool.delete_volume):
        with pytest.raises(VolumeDamaged, match=r"restore or remove|that version"):
            asked(bad)
    with pytest.raises(VolumeExists):
        volume(pool, "bad")
    (finding,) = pool.leftovers()
    assert (finding.where, finding.clearable) == (file, False)
    with pytest.raises(StillInUse, match="not removed"):
        pool.clear(finding)
    file.unlink()
    pool = pools.reopen(pool)
    assert list(pool.leftovers()) == []
    with pytest.raises(VolumeNotFound):
        pool.volume(bad)


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE)
def test_a_snapshot_whose_record_is_damaged_takes_nothing_else_with_it(
    pools: LoopFilePools, pool: LoopFilePool, damage: Callable[[Path], None]
) -> None:
    sources = [volume(pool, name) for name in "abc"]
    ids = [cut.id for cut in pool.take_snapshots([NewSnapshot(f"of {source}", source) for source in sources])]
    file = pool._disk.snapshot(ids[0])
    record = os.getxattr(file, ATTRIBUTE)
    file.chmod(0o600)
    damage(file)
    pool = pools.reopen(pool)
    assert {found.id for found in pool.snapshots()} == set(ids[1:])
    with pytest.raises(Damaged, match=r"restore or remove|that version"):
        pool.snapshot(ids[0])
    assert [finding.where for finding in pool.leftovers()] == [file]
    os.setxattr(file, ATTRIBUTE, record)
    pool = pools.reopen(pool)
    assert {found.id for found in pool.snapshots()} == set(ids)


def test_a_record_that_cannot_be_read_just_now_is_no_missing_one(
    pools: LoopFilePools, pool: LoopFilePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [volume(pool, name) for name in "ab"]
    ids = [cut.id for cut in pool.take_snapshots([NewSnapshot(f"of {source}", source) for source in sources])]
    read = os.getxattr

    def failing(path: str, attribute: str, *, follow_symlinks: bool = True) -> bytes:
        if str(path).endswith(ids[0]):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path, attribute, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as broken:
        broken.setattr(os, "getxattr", failing)
        pool = pools.reopen(pool)
    with pytest.raises(Damaged, match="Input/output error"):
        pool.snapshot(ids[0])
    pool = pools.reopen(pool)
    assert {found.id for found in pool.snapshots()} == set(ids)


_DRIVER = """
import sys
from pathlib import Path
from rokcsi.model.ids import VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.freezing import Freezer
from rokcsi.system.mounts import MountTable
pool = LoopFilePool.open(Path(sys.argv[1]), freezer=Freezer(MountTable()))
"""


def driver(pools: LoopFilePools, deed: str, failpoint: str = "", *through: str) -> subprocess.CompletedProcess[str]:
    """Run a driver of its own on the pool, until it ends or a failpoint kills it."""
    return subprocess.run(
        [*through, sys.executable, "-c", _DRIVER + deed, str(pools.place)],
        env={**os.environ, "ROKCSI_FAILPOINT": failpoint},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_a_killed_driver_did_not_flush_is_on_the_disk_once_a_restart_answers_by_it(
    pools: LoopFilePools, tmp_path: Path
) -> None:
    pool = pools.open()
    volume(pool, "first")
    old = volume(pool, "old")
    pool._folder.release()
    killed = [
        driver(pools, f"pool.create_volume(NewVolume('new', Bytes({int(RAW)}), None))", "loopfile.create.named"),
        driver(pools, f"pool.delete_volume(VolumeId({str(old)!r}))", "loopfile.delete.unlinked"),
    ]
    assert [ended.returncode for ended in killed] == [-signal.SIGKILL] * 2, killed
    again = pools.open()
    new = VolumeId.of_name("new")
    assert again.volume(new).name == "new"  # from here on a repeated call answers OK
    after = LoopFilePools(tmp_path / "after")
    after.place.mkdir(parents=True)
    try:
        for name in ("pool.json", "pool.xfs"):
            run("cp", "--sparse=always", pools.place / name, after.place / name)
        cut = after.open()
        assert cut.volume(new).name == "new"
        with pytest.raises(VolumeNotFound):
            cut.volume(old)
        cut.close()
    finally:
        after.close()


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_file_system_frozen_in_another_mount_namespace_is_thawed_at_the_start(
    pools: LoopFilePools, pool: LoopFilePool, filesystem: str
) -> None:
    id_ = pool.create_volume(NewVolume("v", XFS, filesystem)).id
    with pools.mounted(pool, pool.attach(id_), "point", filesystem) as point:
        pool._folder.release()
        run("fsfreeze", "--freeze", point)
        lost = driver(
            pools,
            "",
            "",
            *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
            f'umount {point} && exec "$0" "$@"',
        )
        assert lost.returncode == 0, lost.stderr
        fd = os.open(point, os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="Invalid argument"):
                thaw_filesystem(fd)
        finally:
            os.close(fd)
        (point / "writers go on").touch()


def test_ids_of_volumes_and_snapshots_are_not_mixed_up(pools: LoopFilePools, pool: LoopFilePool) -> None:
    stray = pool._disk.snapshots / volume(pool, "v")
    stray.touch()
    pool = pools.reopen(pool)
    assert pool.volume(VolumeId(stray.name)).name == "v"
    with pytest.raises(Damaged):
        pool.snapshot(SnapshotId(stray.name))
