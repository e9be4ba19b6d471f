"""What the driver needs of its machine, and what is said where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.wiring.needs import needs, unmet


def test_every_need_that_is_not_met_says_what_to_do(tmp_path: Path) -> None:
    for need in needs(tmp_path / "not" / "there" / "yet"):
        assert need.what
        assert need.met or need.remedy


def test_a_missing_mkfs_xfs_is_named_with_the_package_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {need.what: need for need in needs(tmp_path)}
    assert not found["mkfs.xfs"].met
    assert found["mkfs.xfs"].remedy == "apt-get install xfsprogs"
    missing = unmet()
    assert missing is not None
    assert missing.essential


def test_asking_leaves_nothing_in_the_pools_folder(tmp_path: Path) -> None:
    needs(tmp_path)
    assert list(tmp_path.iterdir()) == []
