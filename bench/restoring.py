"""What the bench does with one driver in a cluster: fill a volume, snapshot it, start pods from the snapshot, and time it.

Times are from the first request to the API server until a watch brought the news.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from cluster import BOUND, CHOSEN, READY, RUNNING, SCHEDULED, USABLE, Namespace
from our_calls import OurCalls

from tests.lab.kubernetes import objects

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver as the cluster knows it, and what the table calls it."""

    name: str
    volumes: str
    snapshots: str


@dataclass(frozen=True, slots=True)
class Content:
    """What is in the volume: a script writes it, another fails unless it is there."""

    name: str
    size: str
    script: str
    check: str


SMALL = Content(
    "256 MiB in 1,000 files",
    "512Mi",
    "for each in $(seq 1000); do head -c 268436 /dev/urandom >f$each; done; sync",
    'test "$(ls | grep -c ^f)" = 1000',
)
LARGE = Content(
    "8 GiB",
    "10Gi",
    "for each in 1 2 3 4 5 6 7 8; do head -c 1073741824 /dev/urandom >f$each; done; sync",
    'test "$(ls | grep -c ^f)" = 8',
)


@dataclass(frozen=True, slots=True)
class Start:
    """One pod's start: seconds until each moment, and those spent in calls of ours meanwhile, by method."""

    chosen: float
    bound: float
    scheduled: float
    running: float
    calls: dict[str, float]


class Restoring:
    """Does it in one namespace, all pods on one node; whatever takes longer than `patience_seconds` raises TooSlow."""

    def __init__(self, namespace: Namespace, calls: OurCalls, node: str, patience_seconds: float) -> None:
        self._namespace, self._calls, self._node = namespace, calls, node
        self._patience = patience_seconds

    def filled(self, driver: Driver, content: Content) -> str:
        """Give a claim with this content; the pod that wrote it goes on running."""
        name = next(self._namespace.names)
        self._namespace.make(self._claim(driver, name, content), self._pod(name, content.script))
        self._namespace.moments.of(name, READY, self._patience)
        return name

    def snapshot(self, driver: Driver, source: str) -> tuple[str, float, float]:
        """Give a new snapshot, the seconds until it was ready to use, and those of our call."""
        name = next(self._namespace.names)
        wanted = objects.snapshot(name, source)
        wanted["spec"]["volumeSnapshotClassName"] = driver.snapshots
        before, began = self._calls.seconds(), time.perf_counter()
        self._namespace.make(wanted)
        usable = self._namespace.moments.of(name, USABLE, self._patience) - began
        return name, usable, self._calls.snapshots_since(before)

    def start(self, driver: Driver, snapshot: str, content: Content) -> Start:
        """Start a pod on a clone of the snapshot; the content is checked afterwards, and both go again."""
        name = next(self._namespace.names)
        claim = self._claim(driver, name, content, snapshot)
        before, began = self._calls.seconds(), time.perf_counter()
        self._namespace.make(claim, self._pod(name, content.check))
        moments = [
            self._namespace.moments.of(name, each, self._patience) - began
            for each in (CHOSEN, BOUND, SCHEDULED, RUNNING)
        ]
        start = Start(*moments, self._calls.pod_starts_since(before))
        self._namespace.moments.of(name, READY, self._patience)
        self.let_go(name)
        return start

    def start_bare(self) -> float:
        """Give the seconds until a pod without a volume runs."""
        name, began = next(self._namespace.names), time.perf_counter()
        self._namespace.make(self._pod(name, "true", claimed=False))
        seconds = self._namespace.moments.of(name, RUNNING, self._patience) - began
        self._namespace.let_go([name], self._patience, claimed=False)
        return seconds

    def crowd(self, driver: Driver, snapshot: str, content: Content, number: int) -> float:
        """Ask for so many pods on clones at once; give the seconds until the last of them runs."""
        names = [next(self._namespace.names) for _ in range(number)]
        began = time.perf_counter()
        for name in names:
            pod = self._pod(name, "true")
            del pod["spec"]["containers"][0]["readinessProbe"]  # so many of them would be what is measured
            self._namespace.make(self._claim(driver, name, content, snapshot), pod)
        last = max(self._namespace.moments.of(name, RUNNING, self._patience) for name in names)
        self._namespace.let_go(names, self._patience)
        return last - began

    def let_go(self, name: str) -> None:
        """Delete a pod and its claim, and wait until the volume is gone."""
        self._namespace.let_go([name], self._patience)

    def forget(self, snapshot: str) -> None:
        """Delete a snapshot and wait until it is gone."""
        self._namespace.forget(snapshot, self._patience)

    def _claim(self, driver: Driver, name: str, content: Content, snapshot: str = "") -> Object:
        source = objects.of_snapshot(snapshot) if snapshot else None
        claim = objects.claim(name, source, content.size)
        claim["spec"]["storageClassName"] = driver.volumes
        return claim

    def _pod(self, name: str, script: str, *, claimed: bool = True) -> Object:
        return objects.pod(name, name if claimed else (), script, must=self._node)
