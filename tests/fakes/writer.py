"""Somebody who writes durably all the time, so that a test can see whether writers are held up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class Writer:
    """Writes numbers into files, one file after the other, each durably; notes when it last got on."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.rounds = 0
        self._files = files
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        fds = [os.open(file, os.O_RDWR | os.O_CREAT) for file in self._files]
        while not self._stop.is_set():
            for fd in fds:
                os.pwrite(fd, b"%010d" % self.rounds, 0)
                os.fsync(fd)
            self.rounds += 1
        for fd in fds:
            os.close(fd)

    def goes_on_within(self, seconds: float) -> bool:
        """Tell whether it gets two rounds further."""
        goal, until = self.rounds + 2, time.monotonic() + seconds
        while time.monotonic() < until:
            if self.rounds >= goal:
                return True
            time.sleep(0.01)
        return False

    @classmethod
    @contextmanager
    def at_work(cls, files: Sequence[Path]) -> Iterator[Writer]:
        """Let it write for a block."""
        writer = cls(files)
        writer._thread.start()
        try:
            assert writer.goes_on_within(30)
            yield writer
        finally:
            writer._stop.set()
            writer._thread.join(30)
