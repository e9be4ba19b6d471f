"""A check that could not be made is no damage: what is damaged is thrown away."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from rokcsi.model.errors import Damaged, SystemCallFailed, ToolFailed, VolumeDamaged
from rokcsi.mounting import filesystems
from rokcsi.mounting.filesystems import FilesystemTools
from rokcsi.system.command import Completed
from tests.fakes.scripted_runner import ScriptedRunner

DIRTY = "ERROR: The filesystem has valuable metadata changes in a log which needs to be replayed."


@pytest.fixture
def device(tmp_path: Path) -> Path:
    made = tmp_path / "device"
    made.write_bytes(bytes(8192))
    return made


@pytest.mark.parametrize(
    ("filesystem", "program", "status", "family"),
    [
        ("xfs", "xfs_repair", 1, VolumeDamaged),
        ("xfs", "xfs_repair", -9, ToolFailed),
        ("xfs", "xfs_repair", 127, ToolFailed),
        ("ext4", "e2fsck", 4, VolumeDamaged),
        ("ext4", "e2fsck", 12, VolumeDamaged),
        ("ext4", "e2fsck", 16, ToolFailed),
        ("ext4", "e2fsck", 32, ToolFailed),
        ("ext4", "e2fsck", 128, ToolFailed),
    ],
)
def test_only_what_the_program_says_of_the_file_system_is_damage(
    device: Path, filesystem: str, program: str, status: int, family: type[Damaged]
) -> None:
    tools = FilesystemTools(ScriptedRunner({program: Completed("", "what it said", status)}))
    with pytest.raises(family, match="what it said") as raised:
        tools.check(device, filesystem)
    assert type(raised.value) is family


@pytest.mark.parametrize(
    ("code", "family"), [(errno.EACCES, SystemCallFailed), (errno.ENOMEM, SystemCallFailed), (117, VolumeDamaged)]
)
def test_only_a_log_that_the_kernel_finds_wrong_is_damage(
    device: Path, code: int, family: type[Damaged], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(device: Path, filesystem: str, flags: Iterable[str] = ()) -> None:
        raise OSError(code, os.strerror(code))

    # The kernel below cannot be exchanged: only its answer can.
    monkeypatch.setattr(filesystems, "replay_log", refuse)
    tools = FilesystemTools(ScriptedRunner({"xfs_repair": Completed("", DIRTY, 1)}))
    with pytest.raises(family) as raised:
        tools.check(device, "xfs")
    assert type(raised.value) is family
