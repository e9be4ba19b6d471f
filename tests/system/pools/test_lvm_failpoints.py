"""Drivers killed at places that a served driver's story does not pass: at the start, and in the rarer changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import rokcsi.pools.lvm.pool  # noqa: F401 - declares the failpoints
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.pools.lvm.names import name_of
from rokcsi.pools.lvm.records import volume_tags
from rokcsi.system import failpoints
from rokcsi.system.dm_ioctl import Verb
from tests.fakes.killed_command import killed_at
from tests.fakes.lvm_pools import LvmPools, lvm_pools
from tests.fakes.pool_records import MIB, new_volume
from tests.system.crash.elsewhere import elsewhere

pytestmark = pytest.mark.lab

OPENS = """
import sys
from rokcsi.model.ids import SnapshotId
from rokcsi.pools.lvm import LvmPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
pool = LvmPool.open(sys.argv[1], sys.argv[2], points=MountTable(), locks=KeyedLocks())
"""
Prepare = Callable[[LvmPools], None]


@pytest.fixture
def pools() -> Iterator[LvmPools]:
    with lvm_pools() as pools:
        yield pools


def filled(pools: LvmPools) -> None:
    """Leave a volume, with two snapshots cut together."""
    pool = pools.open()
    volume = pool.create_volume(new_volume("a"))
    pool.take_snapshots([NewSnapshot("s", volume.id), NewSnapshot("t", volume.id)])
    pool.close()


def inactive(pools: LvmPools) -> None:
    """Leave the thin pool inactive."""
    filled(pools)
    pools.group.run("lvchange", "--activate", "n", pools.path(pools.name))


def without_identity(pools: LvmPools) -> None:
    """Leave the thin pool as one that was never served."""
    filled(pools)
    pools.group.run("lvchange", "--deltag", pools.identity(), pools.path(pools.name))


def half_way(pools: LvmPools) -> None:
    """Leave an lvcreate killed between its two messages."""
    filled(pools)
    pool = pools.open()
    wished = pool.create_volume(new_volume("b"))
    pool.delete_volume(wished.id)
    pool.close()
    named = ["--name", name_of(wished.id), *(f"--addtag={tag}" for tag in volume_tags(wished))]
    into = ["--type", "thin", "--virtualsize", f"{MIB}b", "--thinpool", pools.name, pools.group.name]
    killed_at(["lvm", "lvcreate", "-an", "-ky", *named, *into], Verb.MESSAGE, 2)


STORIES: dict[str, tuple[Prepare, str]] = {
    "lvm.open.activated": (inactive, ""),
    "lvm.open.identified": (without_identity, ""),
    "lvm.mend.deleted": (half_way, ""),
    "lvm.mend.removed": (half_way, ""),
    "lvm.delete-snapshots.settled": (filled, "pool.delete_snapshots([SnapshotId.of_name('s')])"),
    "lvm.describe-snapshot.tagged": (filled, "pool.label_snapshot(SnapshotId.of_name('s'), {'a': 'b'})"),
}


@pytest.mark.parametrize("place", sorted(STORIES))
def test_a_driver_killed_there_leaves_everything_whole(pools: LvmPools, place: str) -> None:
    prepare, deed = STORIES[place]
    prepare(pools)
    ended = subprocess.run(
        [sys.executable, "-c", OPENS + deed, pools.group.name, pools.name],
        env={**os.environ, "ROKCSI_FAILPOINT": place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -9, f"{place} was not passed: {ended.stderr}"
    pool = pools.open()
    assert [volume.id for volume in pool.volumes()] == [VolumeId.of_name("a")]
    assert {it.name for it in pool.snapshots()} == {"s", "t"}
    labels = dict(pool.snapshot(SnapshotId.of_name("s")).labels)
    assert labels == ({"a": "b"} if "describe" in place else {})
    assert list(pool.leftovers()) == []
    pool.delete_snapshots([SnapshotId.of_name("s")])
    pool.close()
    pool = pools.open()
    assert [it.name for it in pool.snapshots()] == ["t"]
    pool.close()


def test_every_place_that_the_story_does_not_pass_is_visited_here() -> None:
    ours = {name for name in failpoints.declared() if name.startswith("lvm.")}
    assert set(STORIES) == {name for name in elsewhere("lvm") if name.startswith("lvm.")} <= ours
