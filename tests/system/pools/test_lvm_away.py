"""Volume groups that are there and not to be had: exported, another machine's, locked, without one of their disks."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import Unavailable
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.lvm import LvmPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from tests.fakes.loop_disks import LoopDisks, loop_disks
from tests.fakes.pool_records import MIB, new_clone, new_volume
from tests.fakes.volume_groups import VolumeGroup

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    with loop_disks(tmp_path) as disks:
        yield disks


@pytest.fixture
def group(disks: LoopDisks) -> Iterator[VolumeGroup]:
    """A volume group with a pool that lies on its first disk; the second one is empty."""
    group = VolumeGroup(disks, 1024)
    try:
        group.run("vgextend", group.name, disks.disk("second", 256 * MIB))
        sizes = ("--size", "512m", "--poolmetadatasize", "8m", "--poolmetadataspare", "n")
        group.run("lvcreate", *sizes, "--thin", f"{group.name}/thin", group.disk)
        yield group
    finally:
        group.close()


def opened(group: VolumeGroup) -> LvmPool:
    return LvmPool.open(group.name, "thin", points=MountTable(), locks=KeyedLocks())


def test_a_group_that_is_exported_is_refused_until_it_is_imported(group: VolumeGroup) -> None:
    opened(group).close()
    group.run("vgchange", "--activate", "n", group.name)
    group.run("vgexport", group.name)
    with pytest.raises(Unavailable, match="vgimport"):
        opened(group)
    group.run("vgimport", group.name)
    opened(group).close()


def test_a_group_of_another_machine_is_refused(
    group: VolumeGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group.run("vgchange", "--activate", "n", group.name)
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "lvm.conf").write_text('global { system_id_source = "lvmlocal" }\n')
    (ours / "lvmlocal.conf").write_text('local { system_id = "here" }\n')
    monkeypatch.setenv("LVM_SYSTEM_DIR", str(ours))
    group.run("vgchange", "--yes", "--systemid", "here", group.name)
    opened(group).close()
    group.run("vgchange", "--activate", "n", group.name)
    (ours / "lvmlocal.conf").write_text('local { system_id = "elsewhere" }\n')
    with pytest.raises(Unavailable, match="its own machine"):
        opened(group)
    (ours / "lvmlocal.conf").write_text('local { system_id = "here" }\n')
    group.run("vgchange", "--yes", "--systemid", "", group.name)


def test_a_group_that_somebody_has_locked_is_waited_for(group: VolumeGroup) -> None:
    pool = opened(group)
    lock = os.open(f"/run/lock/lvm/V_{group.name}", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    made = threading.Thread(target=pool.create_volume, args=(new_volume("a"),))
    made.start()
    made.join(1.0)
    assert made.is_alive()
    os.close(lock)
    made.join(30.0)
    assert [volume.name for volume in pool.volumes()] == ["a"]
    pool.close()


def test_without_a_disk_of_the_group_all_goes_on_but_nothing_new_is_made(group: VolumeGroup, disks: LoopDisks) -> None:
    pool = opened(group)
    volume = pool.create_volume(new_volume("a"))
    pool.attach(volume.id).write_bytes(b"mine")
    [snapshot] = pool.take_snapshots([NewSnapshot("s", volume.id)])
    disks.pull(disks.folder / "second")
    for refused in (
        lambda: pool.create_volume(new_volume("b")),
        lambda: pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)),
        lambda: pool.take_snapshots([NewSnapshot("t", volume.id)]),
    ):
        with pytest.raises(Unavailable, match="missing disks"):
            refused()
    pool.close()
    pool = opened(group)
    assert (list(pool.volumes()), list(pool.snapshots())) == ([volume], [snapshot])
    attached = pool.attached(volume.id)
    assert attached is not None
    assert attached.read_bytes().startswith(b"mine")

    disks.attach(disks.folder / "second")
    clone = pool.clone_snapshot(snapshot.id, new_clone("c", snapshot))
    assert pool.attach(clone.id).read_bytes().startswith(b"mine")
    pool.close()
