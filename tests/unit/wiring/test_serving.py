"""How a serving process ends: the first signal drains, the second hurries."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from rokcsi.wiring.serving import DRAIN_SECONDS, Signals


class PatientServer:
    """A server whose running call takes `call_seconds`; remembers the graces it was given."""

    def __init__(self, call_seconds: float) -> None:
        self.call_seconds = call_seconds
        self.graces: list[float] = []

    def stop(self, grace_seconds: float) -> None:
        self.graces.append(grace_seconds)
        end = time.monotonic() + min(grace_seconds, self.call_seconds)
        while time.monotonic() < end:
            time.sleep(0.01)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield Signals()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_ends_the_wait_and_draining_lets_calls_end(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signals.wait()
    server = PatientServer(call_seconds=0.05)
    signals.drain(server)
    assert signals.arrived
    assert server.graces == [DRAIN_SECONDS]


def test_a_second_signal_leaves_running_calls_behind(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    server = PatientServer(call_seconds=15.0)
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    signals.drain(server)
    assert server.graces == [DRAIN_SECONDS, 0.0]
    assert time.monotonic() - began < 10
