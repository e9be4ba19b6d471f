"""A client that overwrites one volume all the time, while another cuts it: what a pod does to its workspace."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

from rokcsi.model.ids import VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from tests.system.power_cuts.history import Deed, History
from tests.system.power_cuts.storm import SIZE

_PAGE = 4096
_NAME = "scribbled"


def page_of(number: int) -> bytes:
    """Give a page that carries a number and proves itself."""
    head = number.to_bytes(8, "big")
    return (head + hashlib.sha256(head).digest()).ljust(_PAGE, b"\0")


def number_in(content: bytes) -> int:
    """Read the number that a page carries, 0 for an empty one; fail on a page that was never written so."""
    page = content[:_PAGE]
    number = int.from_bytes(page[:8], "big")
    assert page in {page_of(number), bytes(_PAGE)}, "a page was written in part"
    return number


class Scribbler:
    """Makes its volume, then writes numbers into it until it is to stop, and has it cut a few times meanwhile."""

    def __init__(self, pool: Pool, history: History) -> None:
        self._pool = pool
        self._history = history
        self._volume = NewVolume(_NAME, SIZE, None)
        self._written = 0
        self._failure: Exception | None = None

    def begin(self) -> None:
        """Make the volume."""
        self._history.tell(self._deed("create", _NAME), lambda: self._pool.create_volume(self._volume))

    def scribble(self, stop: threading.Event) -> None:
        """Write one number after the other, each durably, until it is to stop."""
        try:
            device = os.open(self._pool.attach(self._volume.id), os.O_WRONLY)
            try:
                while not stop.is_set():
                    number = self._written + 1
                    self._history.tell(self._deed("scribble", _NAME, number), lambda: _write(device, number))  # noqa: B023 - called at once
                    self._written = number
            finally:
                os.close(device)
        except Exception as error:  # noqa: BLE001 - raised by the test
            if not stop.is_set():
                self._failure = error

    def cut(self, number: int) -> None:
        """Have the volume cut while it is written; what was written before has to be in the snapshot."""
        name = f"scribbled-{number}"
        least = self._written
        news = [NewSnapshot(name, VolumeId.of_name(_NAME))]
        self._history.tell(self._deed("cut-scribbled", name, least), lambda: self._pool.take_snapshots(news))

    def raise_failure(self) -> None:
        """Raise what ended the writing, if something did."""
        if self._failure is not None:
            raise self._failure

    def _deed(self, kind: str, name: str, seed: int = 0) -> Callable[[int], Deed]:
        return lambda number: Deed(number, kind, (name,), (), 0, seed)


def _write(device: int, number: int) -> None:
    os.pwrite(device, page_of(number), 0)
    os.fdatasync(device)
