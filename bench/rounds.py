"""Rounds of the bench in a cluster: all drivers in turn with one content. One that is too slow is left out from then on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.cluster import TooSlow
from bench.played import Played
from bench.pod_figures import OURS
from bench.restoring import Content, Driver, Restoring


def in_turn(drivers: Sequence[Driver], turn: int) -> list[Driver]:
    """Give the drivers in the order of this round: each time another one begins, so that none always follows the same."""
    first = turn % len(drivers)
    return [*drivers[first:], *drivers[:first]]


class Rounds:
    """All drivers with one content; `played` is what was measured."""

    def __init__(self, restoring: Restoring, drivers: Sequence[Driver], content: Content) -> None:
        self.played = Played.by([each.name for each in drivers])
        self._restoring, self._drivers, self._content = restoring, drivers, content
        self._sources: dict[Driver, str] = {}
        for each in drivers:
            with self._patiently(each):
                self._sources[each] = restoring.filled(each, content)

    def play(self, rounds: int) -> None:
        """Take a snapshot and start a pod from it with each driver, and a pod without a volume; so many times."""
        for turn in range(rounds):
            self.played.bare.append(self._restoring.start_bare())
            for driver in self._still_there(turn):
                with self._patiently(driver):
                    self._one(driver)

    def crowd(self, number: int) -> None:
        """Ask for so many pods on clones of one snapshot at once, with each driver."""
        for driver in self._still_there(0):
            with self._patiently(driver):
                snapshot, _ = self._restoring.snapshot(driver, self._sources[driver])
                self.played.crowds[driver.name].append(self._restoring.crowd(driver, snapshot, self._content, number))
                self._restoring.forget(snapshot)

    def end(self) -> None:
        """Let all go that there is."""
        for driver in self._drivers:
            self._clear(driver)

    def _still_there(self, turn: int) -> list[Driver]:
        return [each for each in in_turn(self._drivers, turn) if each in self._sources]

    def _one(self, driver: Driver) -> None:
        snapshot, cut = self._restoring.snapshot(driver, self._sources[driver])
        self.played.cuts[driver.name].append(cut)
        self.played.starts[driver.name].append(self._restoring.start(driver, snapshot, self._content))
        self._restoring.forget(snapshot)

    @contextmanager
    def _patiently(self, driver: Driver) -> Iterator[None]:
        """Leave a driver out that is too slow, and have what it was at go first: it would be measured with the next one."""
        try:
            yield
        except TooSlow as slow:
            if driver.name == OURS:
                raise SystemExit(f"{driver.name}, {self._content.name}: {slow}") from slow
            print(f"{driver.name}, {self._content.name}, is left out: {slow}", file=sys.stderr, flush=True)
            self._sources.pop(driver, None)
            self._clear(driver)

    def _clear(self, driver: Driver) -> None:
        try:
            self._restoring.clear(driver)
        except TooSlow as slow:
            print(f"{driver.name} may disturb what follows: {slow}", file=sys.stderr, flush=True)
