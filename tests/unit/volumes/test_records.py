from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.model.errors import SystemCallFailed
from rokcsi.model.ids import VolumeId
from rokcsi.model.node import Access
from rokcsi.volumes.records import NodeRecords, Staged

STAGED = Staged(VolumeId.of_name("v"), Path("/staging"), Access(block=False, filesystem="xfs"), Path("/dev/loop7"))


def test_a_record_that_cannot_be_written_leaves_the_one_before_it_whole(tmp_path: Path) -> None:
    records = NodeRecords(tmp_path)
    records.add(STAGED)
    (file,) = tmp_path.iterdir()
    # Whoever may not write beside it (root may write anything) finds a folder where the new one is to grow.
    (tmp_path / f".{file.name}").mkdir()
    with pytest.raises(SystemCallFailed):
        records.add(replace(STAGED, device=Path("/dev/loop8")))
    (tmp_path / f".{file.name}").rmdir()
    assert list(NodeRecords(tmp_path)) == [STAGED]


def test_what_a_crash_has_left_half_written_is_no_record_and_goes(tmp_path: Path) -> None:
    NodeRecords(tmp_path).add(STAGED)
    (file,) = tmp_path.iterdir()
    (tmp_path / f".{file.name}").write_bytes(file.read_bytes())
    (tmp_path / ".other").write_bytes(b'{"kind": "Sta')
    file.unlink()
    assert list(NodeRecords(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_an_equal_record_is_not_written_again(tmp_path: Path) -> None:
    records = NodeRecords(tmp_path)
    records.add(STAGED)
    (file,) = tmp_path.iterdir()
    before = file.stat()
    records.add(replace(STAGED))
    assert file.stat().st_ino == before.st_ino
    records.add(replace(STAGED, device=Path("/dev/loop8")))
    assert file.stat().st_ino != before.st_ino
    assert list(NodeRecords(tmp_path)) == list(records)
