"""What the local cluster remembers: small JSON files, one a record, replaced as a whole.

A record is written before the deed it stands for and removed after its undoing, so that
after a crash at any instant a repetition knows what was begun. A lock a record keeps
several programs apart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from rokcsi.model.errors import LockTimeout
from rokcsi.system.file_locks import locked_file

Content = dict[str, Any]  # what JSON has; turned into a dataclass before it leaves the shelf
R = TypeVar("R")


class Shelf(Generic[R]):
    """The records of one kind, each under its name, which its caller has checked."""

    def __init__(self, folder: Path, decoded: Callable[[Content], R], encoded: Callable[[R], Content]) -> None:
        self._decoded, self._encoded = decoded, encoded
        self._records, self._locks, self._new = (folder / part for part in ("records", "locks", "new"))
        for part in (self._records, self._locks, self._new):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def lock(self, name: str, timeout_seconds: float = 300.0) -> Iterator[None]:
        """Keep other programs, and threads, away from this name for the length of the block; raise LockTimeout."""
        lock = self._locks / name
        with locked_file(lock, timeout_seconds=timeout_seconds):
            try:
                yield
            finally:
                if not self.path(name).exists():
                    lock.unlink(missing_ok=True)

    def is_quiet(self, name: str) -> bool:
        """Tell whether nobody is at work on this name now."""
        try:
            with self.lock(name, timeout_seconds=0.0):
                return True
        except LockTimeout:
            return False

    def path(self, name: str) -> Path:
        """Give where a record lies, if it does."""
        return self._records / name

    def read(self, name: str) -> R | None:
        """Give a record; None when there is none."""
        try:
            text = self.path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return self._decoded(json.loads(text))

    def write(self, name: str, record: R) -> None:
        """Make or replace a record, whose lock is held; a reader sees the old one or the new one, also after a power cut."""
        new = self._new / name
        with new.open("w", encoding="utf-8") as file:
            json.dump(self._encoded(record), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path(name))

    def remove(self, name: str) -> None:
        """Forget a record, whose lock is held."""
        self.path(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Give the names of all records, sorted."""
        return sorted(path.name for path in self._records.iterdir())

    def all(self) -> Iterator[R]:
        """Give all records by name; one that is removed meanwhile is left out."""
        for name in self.names():
            record = self.read(name)
            if record is not None:
                yield record
