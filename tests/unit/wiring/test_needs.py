"""What the driver needs of its machine, and what is said where it is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rokcsi.pools.specification import PoolSpecification
from rokcsi.wiring.needs import needs, unmet, xfs_need


def in_folder(folder: Path) -> PoolSpecification:
    return PoolSpecification("loopfile", str(folder))


def test_every_need_that_is_not_met_says_what_to_do(tmp_path: Path) -> None:
    for need in needs(in_folder(tmp_path / "not" / "there" / "yet")):
        assert need.what
        assert need.met or need.remedy


def test_a_missing_mkfs_xfs_is_named_with_the_package_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {need.what: need for need in needs(in_folder(tmp_path))}
    assert not found["mkfs.xfs"].met
    assert found["mkfs.xfs"].remedy == "apt-get install xfsprogs"
    missing = unmet(in_folder(tmp_path))
    assert missing is not None
    assert missing.essential


def test_asking_leaves_nothing_in_the_pools_folder(tmp_path: Path) -> None:
    needs(in_folder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_each_kind_of_pool_has_needs_of_its_own() -> None:
    def words(text: str) -> set[str]:
        return {need.what for need in needs(PoolSpecification.parse(text))}

    assert {"loop devices", "reflinks"} <= words("loopfile:/srv/pool")
    assert {"device-mapper", "lvm"} <= words("lvm:vg/thin")
    assert {"device-mapper", "lvm"} <= words("lvm-direct:vg/thin")
    assert {"ZFS", "zfs"} <= words("zfs:tank/rokcsi")


@pytest.mark.parametrize(
    ("filesystems", "folder", "met"),
    [
        ("nodev\tsysfs\n\txfs\n", None, True),
        ("nodev\tsysfs\n\text4\n", "kernel/fs/xfs", True),
        ("nodev\tsysfs\n\text4\n", "kernel/fs/ext4", False),
        ("nodev\tsysfs\n\text4\n", None, True),  # a container sees no modules, and the kernel loads them without it
    ],
)
def test_xfs_is_missing_only_where_the_kernels_modules_are_seen_and_have_none(
    tmp_path: Path, filesystems: str, folder: str | None, *, met: bool
) -> None:
    known, modules = tmp_path / "filesystems", tmp_path / "modules"
    known.write_text(filesystems)
    if folder is not None:
        (modules / os.uname().release / folder).mkdir(parents=True)
    found = xfs_need(known, modules)
    assert found.met is met
    assert found.met or found.remedy
