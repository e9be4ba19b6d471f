"""The floor of pools on thin devices: messages and suspensions by bare ioctls in one thread, and nothing else.

It imports nothing of rokcsi on purpose. A message is answered when the kernel has committed
the pool's metadata, flush included, so that a bare one is durable.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SUSPEND, MESSAGE = 0xC138FD06, 0xC138FD0E
_HEAD = struct.Struct("<3I2IIiIIIQ128s129s7x")
_ROOM = 4096
_SUSPENDED = 1 << 1
_FIRST = 1 << 23  # far from every number that a driver has reached


class ThinFloor:
    """A thin pool by its device's name."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._control = os.open("/dev/mapper/control", os.O_RDWR)
        self._numbers = itertools.count(_FIRST)

    def create(self) -> int:
        """Make a thin device; give its number."""
        number = next(self._numbers)
        self._tell(f"create_thin {number}")
        return number

    def snapshot(self, origin: int) -> int:
        """Make a thin device that begins as another one; give its number."""
        number = next(self._numbers)
        self._tell(f"create_snap {number} {origin}")
        return number

    def delete(self, number: int) -> None:
        """Remove a thin device."""
        self._tell(f"delete {number}")

    def cut(self, shown: Sequence[str], origins: Sequence[int]) -> tuple[float, list[int]]:
        """Suspend these devices, make a snapshot of each, resume them; give how long they stood still, and the numbers."""
        began = time.perf_counter()
        with self._suspended(shown):
            taken = [self.snapshot(origin) for origin in origins]
        return time.perf_counter() - began, taken

    def close(self) -> None:
        """Close the control device."""
        os.close(self._control)

    @contextmanager
    def _suspended(self, names: Sequence[str]) -> Iterator[None]:
        try:
            for name in names:
                self._ask(SUSPEND, name, _SUSPENDED)
            yield
        finally:
            for name in names:
                self._ask(SUSPEND, name, 0)

    def _tell(self, message: str) -> None:
        self._ask(MESSAGE, self._pool, 0, struct.pack("<Q", 0) + message.encode() + b"\0")

    def _ask(self, verb: int, name: str, flags: int, payload: bytes = b"") -> None:
        head = _HEAD.pack(4, 0, 0, _ROOM, _HEAD.size, 0, 0, flags, 0, 0, 0, name.encode(), b"")
        fcntl.ioctl(self._control, verb, bytearray((head + payload).ljust(_ROOM, b"\0")))
