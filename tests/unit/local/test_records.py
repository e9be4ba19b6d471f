from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rokcsi.local.records import Shelf
from rokcsi.model.errors import LockTimeout
from rokcsi.system.file_locks import locked_file


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf[int]:
    return Shelf(tmp_path, lambda content: int(content["number"]), lambda number: {"number": number})


def test_what_was_written_is_read(shelf: Shelf[int]) -> None:
    shelf.write("a", 1)
    shelf.write("a", 2)
    assert shelf.read("a") == 2
    assert shelf.names() == ["a"]
    assert list(shelf.all()) == [2]


def test_what_was_removed_is_gone(shelf: Shelf[int]) -> None:
    shelf.write("a", 1)
    shelf.remove("a")
    assert shelf.read("a") is None


def test_a_lock_leaves_no_file_where_there_is_no_record(shelf: Shelf[int], tmp_path: Path) -> None:
    with shelf.lock("a"):
        assert not shelf.is_quiet("a")
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_lock_that_vanishes_still_keeps_everybody_apart(shelf: Shelf[int]) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(30):
            with shelf.lock("a"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert most == 1


def test_a_lock_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with (
        locked_file(tmp_path / "lock"),
        pytest.raises(LockTimeout, match="fuser"),
        locked_file(tmp_path / "lock", timeout_seconds=0.05),
    ):
        pass


def test_shared_locks_go_together(tmp_path: Path) -> None:
    with locked_file(tmp_path / "lock", shared=True), locked_file(tmp_path / "lock", shared=True, timeout_seconds=0.0):
        pass
