from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.pools.memory import MemoryPool
from rokcsi.system.beneath import TargetRoots
from rokcsi.volumes.node import PoolNodeVolumes
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import GIB, MIB, MOUNTED, RAW, SHARED, NodeHouse


@pytest.fixture
def mounter() -> MemoryMounter:
    return MemoryMounter()


@pytest.fixture
def house(tmp_path: Path, mounter: MemoryMounter) -> NodeHouse:
    for name in ("pool", "kubelet"):
        (tmp_path / name).mkdir()
    return NodeHouse(MemoryPool(tmp_path / "pool"), mounter, tmp_path / "kubelet", tmp_path / "records")


def always() -> bool:
    return True


def until(count: int) -> Callable[[], bool]:
    """Say yes so many times."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


def test_all_of_a_volume_is_trimmed_before_its_last_unmount(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume(size=GIB + 8192)
    house.stage(volume)
    mounter.deeds.clear()
    house.unstage(volume)
    assert list(dict.fromkeys(mounter.deeds)) == ["write_out", "trim", "unmount"]
    covered = [place for part in mounter.trimmed for place in (part.start, part.stop)]
    assert covered == sorted(covered)
    assert (covered[0], covered[-1]) == (0, GIB + 8192)
    assert covered[1:-1:2] == covered[2::2]


def test_a_large_volume_is_trimmed_in_no_more_than_a_thousand_parts(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume(size=1000 * GIB + 12288)
    house.stage(volume)
    house.unstage(volume)
    assert 1000 <= len(mounter.trimmed) <= 1024
    assert all(part.start % 4096 == 0 for part in mounter.trimmed)


def test_a_volume_staged_twice_is_trimmed_once(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume(size=64 * MIB)
    house.stage(volume, "s1", SHARED)
    house.stage(volume, "s2", SHARED)
    house.unstage(volume, "s1")
    assert mounter.trimmed == []
    house.unstage(volume, "s2")
    assert len(mounter.trimmed) == 1


def test_readers_and_raw_volumes_are_left_alone(house: NodeHouse, mounter: MemoryMounter) -> None:
    for name, filesystem, access in (
        ("reader", "xfs", replace(MOUNTED, readonly=True)),
        ("option", "xfs", replace(MOUNTED, options=("ro",))),
        ("raw", None, RAW),
    ):
        volume = house.volume(name, filesystem)
        house.stage(volume, access=access)
        house.node.trim_staged(always)
        house.unstage(volume)
    assert mounter.trimmed == []


@pytest.mark.parametrize("deed", ["write_out", "trim"])
def test_what_goes_wrong_is_told_to_the_log_only(
    house: NodeHouse, mounter: MemoryMounter, deed: str, caplog: pytest.LogCaptureFixture
) -> None:
    volume = house.volume()
    house.stage(volume)
    mounter.failing.add(deed)
    with caplog.at_level(logging.WARNING):
        house.unstage(volume)
    assert [record.getMessage() for record in caplog.records] == ["not trimmed"]
    assert mounter.mounted(house.at("staging")) is None
    assert house.recorded() == 0


def test_without_the_setting_nothing_is_trimmed_at_the_end(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    roots = TargetRoots([house.kubelet])
    house.node = PoolNodeVolumes(house.pool, mounter, roots, house.records, trim=False)
    house.unstage(volume)
    assert "trim" not in mounter.deeds
    assert mounter.mounted(house.at("staging")) is None


def test_volumes_in_use_are_trimmed_one_after_the_other(house: NodeHouse, mounter: MemoryMounter) -> None:
    for name in ("a", "b"):
        house.stage(house.volume(name), name)
    house.node.trim_staged(always)
    assert len(mounter.trimmed) == 32
    assert house.recorded() == 2


def test_trimming_ends_between_two_parts_when_told_so(house: NodeHouse, mounter: MemoryMounter) -> None:
    for name in ("a", "b"):
        house.stage(house.volume(name), name)
    house.node.trim_staged(until(3))
    assert len(mounter.trimmed) == 3


def test_a_volume_unstaged_in_the_middle_is_left_in_peace(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)

    def unstage_before_the_third() -> bool:
        if len(mounter.trimmed) == 2:
            house.unstage(volume)
        return True

    house.node.trim_staged(unstage_before_the_third)
    # Two parts, then all sixteen at the end of the stage, and none after it.
    assert len(mounter.trimmed) == 18
    assert mounter.deeds[-1] == "unmount"


def test_one_that_fails_does_not_keep_the_others_from_their_turn(
    house: NodeHouse, mounter: MemoryMounter, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        house.stage(house.volume(name), name)
    mounter.forget(house.at("a"))
    with caplog.at_level(logging.WARNING):
        house.node.trim_staged(always)
    assert len(caplog.records) == 1
    assert len(mounter.trimmed) == 16
