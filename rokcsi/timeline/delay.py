"""What a checkpoint at the mount is made of, in time: a pod waits for it, and its owner may ask what for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from typing import Protocol

from rokcsi.model.doorkeeper import Side


class Part(StrEnum):
    """Where time goes; all but FREEZE, which is within CUT, follow each other."""

    GATHERING = "gathering"  # the pod, its claims and classes, others on its volumes: asked of the API server
    TURN = "turn"  # others of the namespace come first
    ROOM = "room"  # how full the pool is: asked of the node
    CUT = "cut"  # the node's answer to CreateVolumeGroupSnapshot
    FREEZE = "freeze"  # as the node measured it
    WRITING = "writing"  # the catalogue, and everything that is none of the others
    TELLING = "telling"  # the event
    ALL = "all"


class CheckpointLog(Protocol):
    """Counts what pods have waited for; may be called from many threads at once."""

    def waited(self, side: Side, part: Part, seconds: float) -> None:
        """Take note of one part of one checkpoint."""


class Delay:
    """The parts of one checkpoint, in seconds, measured by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._measured: dict[Part, float] = {}

    @contextmanager
    def of(self, part: Part) -> Iterator[None]:
        """Count the block as time of a part."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(part, self._clock() - began)

    @contextmanager
    def until_in(self, part: Part, entered: AbstractContextManager[object]) -> Iterator[None]:
        """Enter another context for the block, and count only what the entering takes."""
        with ExitStack() as parts:
            with self.of(part):
                parts.enter_context(entered)
            yield

    def add(self, part: Part, seconds: float) -> None:
        """Count some time that was measured elsewhere."""
        self._measured[part] = self._measured.get(part, 0.0) + seconds

    def parts(self) -> Mapping[Part, float]:
        """Give every part so far, what is left as WRITING, and the whole."""
        whole = self._clock() - self._began
        known = sum(seconds for part, seconds in self._measured.items() if part is not Part.FREEZE)
        return {**self._measured, Part.WRITING: max(0.0, whole - known), Part.ALL: whole}

    def __str__(self) -> str:
        parts = self.parts()
        frozen = f" (frozen {parts[Part.FREEZE] * 1000:.1f} ms)" if Part.FREEZE in parts else ""
        named = (
            f"{part} {seconds:.2f}{frozen if part is Part.CUT else ''}"
            for part, seconds in parts.items()
            if part not in {Part.ALL, Part.FREEZE}
        )
        return f"{parts[Part.ALL]:.2f} s: {', '.join(named)}"
