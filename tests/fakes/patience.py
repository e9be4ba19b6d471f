"""Waiting for what other threads, processes or machines do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(true: Callable[[], T], seconds: float = 20.0, every: float = 0.02) -> T:
    """Wait until something is so, and give it; fails when it is not so in time."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"waited {seconds:.0f} s in vain"
        time.sleep(every)
    return found
