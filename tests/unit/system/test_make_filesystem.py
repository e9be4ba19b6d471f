from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import NotSupported
from rokcsi.model.filesystems import DEFAULT_FILESYSTEM, FILESYSTEMS
from rokcsi.system.command import HostRunner
from rokcsi.system.make_filesystem import make_in_file, make_on_device
from rokcsi.system.superblock import filesystem_size
from tests.fakes.scripted_runner import ScriptedRunner


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_the_smallest_file_of_each_kind_gets_a_file_system_that_fills_it(filesystem: str, tmp_path: Path) -> None:
    file, size = tmp_path / "file", FILESYSTEMS[filesystem].smallest
    with file.open("xb") as opened:
        opened.truncate(size)
    make_in_file(HostRunner(), file, filesystem, label="rokcsi")
    found = filesystem_size(file)
    assert found is not None
    assert (found.kind, found.size) == (filesystem, size)


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_nothing_is_forced_over_what_a_device_holds(filesystem: str) -> None:
    runner = ScriptedRunner()
    make_on_device(runner, Path("/dev/loop7"), filesystem)
    assert [call[0] for call in runner.calls] == [f"mkfs.{filesystem}"]
    assert not {"-f", "-F"} & set(runner.calls[0])


def test_an_unknown_kind_starts_no_program() -> None:
    runner = ScriptedRunner()
    with pytest.raises(NotSupported, match="xfs or ext4"):
        make_on_device(runner, Path("/dev/loop7"), "ntfs")
    with pytest.raises(NotSupported, match="xfs or ext4"):
        make_in_file(runner, Path("file"), "-f", label="rokcsi")
    assert runner.calls == []


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT_FILESYSTEM in FILESYSTEMS
