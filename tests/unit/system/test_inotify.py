from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rokcsi.system.inotify import CLOSED, CREATED, watching


def test_a_new_file_wakes_who_waits_for_it(tmp_path: Path) -> None:
    with watching(tmp_path, CREATED) as watch:
        assert not watch.await_event(0.01)
        threading.Timer(0.05, (tmp_path / "new").touch).start()
        assert watch.await_event(20)
        assert not watch.await_event(0)


def test_what_happened_before_the_waiting_counts(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with watching(file, CLOSED) as watch:
        file.read_bytes()
        assert watch.await_event(0)


def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), watching(tmp_path / "nothing", CREATED):
        pass
