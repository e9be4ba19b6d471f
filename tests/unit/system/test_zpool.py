from __future__ import annotations

import pytest

from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused
from rokcsi.system.zpool import Zpool, ZpoolFacts
from tests.fakes.recorded_zfs import VERSIONS, RecordedZfs


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "redundant"),
    [
        ("a pool of one disk", False),
        ("a pool of one disk with a cache", False),
        ("a pool of mirrors with a log", True),
        ("a pool of raidz", True),
        ("a pool of a disk and a mirror", False),
    ],
)
def test_a_pool_is_known_by_its_layout(name: str, *, redundant: bool, version: str) -> None:
    runner = RecordedZfs(f"{name} has properties", f"{name} is listed", version=version)
    assert Zpool(runner, "shown").facts() == ZpoolFacts("ONLINE", redundant, 0, "enabled")


def test_a_pool_that_is_missing_is_away() -> None:
    with pytest.raises(ZfsRefused, match="no such pool") as found:
        Zpool(RecordedZfs("a pool that is missing is listed"), "nobody").facts()
    assert found.value.refusal is ZfsRefusal.AWAY
