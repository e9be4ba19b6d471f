"""How long a command of somebody else holds a mapped device suspended: looked at every millisecond, since nobody tells."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rokcsi.model.errors import RokcsiError
from rokcsi.system.device_mapper import DeviceMapper

_PAUSE_SECONDS = 0.001


class SuspensionClock:
    """Adds up, for the length of a block, the `seconds` for which a device was seen suspended."""

    def __init__(self, mapper: DeviceMapper, name: str) -> None:
        self.seconds = 0.0
        self._mapper = mapper
        self._name = name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="rokcsi-suspension-clock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        looked, before = time.monotonic(), False
        while not self._over.wait(_PAUSE_SECONDS):
            suspended, now = self._is_suspended(), time.monotonic()
            if suspended or before:
                self.seconds += (now - looked) if suspended and before else (now - looked) / 2
            looked, before = now, suspended

    def _is_suspended(self) -> bool:
        try:
            device = self._mapper.look(self._name)
        except RokcsiError:
            return False
        return device is not None and device.suspended
