"""What the bench does with one driver in a cluster: fill a volume, snapshot it, start pods from the snapshot, and time it.

Times are from the first request to the API server until a watch brought the news.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from bench.cluster import BOUND, CHOSEN, READY, RUNNING, SCHEDULED, USABLE, Namespace
from bench.contents import Content
from bench.our_calls import OurCalls
from bench.played import Crowd, Cut, Start
from tests.lab.kubernetes import objects

Object = dict[str, Any]
_LABEL = "bench-driver"
_QUIET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver as the cluster knows it, and what the table calls it."""

    name: str
    volumes: str
    snapshots: str


class Restoring:
    """Does it in one namespace, all pods on one node; whatever takes longer than `patience_seconds` raises TooSlow.

    Each deed leaves the machine quiet: what it made is gone, and what it wrote is on disk.
    """

    def __init__(self, namespace: Namespace, calls: OurCalls, node: str, patience_seconds: float) -> None:
        self._namespace, self._calls, self._node = namespace, calls, node
        self._patience = patience_seconds

    def filled(self, driver: Driver, content: Content) -> str:
        """Give a claim with this content; the pod that wrote it goes on running."""
        name = next(self._namespace.names)
        self._namespace.make(self._claim(driver, name, content), self._pod(driver, name, content.script))
        self._namespace.moments.of(name, READY, self._patience)
        _quiet()
        return name

    def snapshot(self, driver: Driver, source: str) -> tuple[str, Cut]:
        """Give a new snapshot, and how long it took until it was ready to use."""
        name = next(self._namespace.names)
        wanted = _of(driver, objects.snapshot(name, source))
        wanted["spec"]["volumeSnapshotClassName"] = driver.snapshots
        before, began = self._calls.seconds(), time.perf_counter()
        self._namespace.make(wanted)
        usable = self._namespace.moments.of(name, USABLE, self._patience) - began
        cut = Cut(usable, self._calls.snapshots_since(before))
        _quiet()
        return name, cut

    def start(self, driver: Driver, snapshot: str, content: Content) -> Start:
        """Start a pod on a clone of the snapshot; the content is checked afterwards, and both go again."""
        name = next(self._namespace.names)
        claim = self._claim(driver, name, content, snapshot)
        before, began = self._calls.seconds(), time.perf_counter()
        self._namespace.make(claim, self._pod(driver, name, content.check))
        moments = [
            self._namespace.moments.of(name, each, self._patience) - began
            for each in (CHOSEN, BOUND, SCHEDULED, RUNNING)
        ]
        start = Start(*moments, self._calls.pod_starts_since(before))
        self._namespace.moments.of(name, READY, self._patience)
        self._namespace.let_go([name], self._patience)
        _quiet()
        return start

    def start_bare(self) -> float:
        """Give the seconds until a pod without a volume runs."""
        name, began = next(self._namespace.names), time.perf_counter()
        self._namespace.make(self._pod(None, name, "true"))
        seconds = self._namespace.moments.of(name, RUNNING, self._patience) - began
        self._namespace.let_go([name], self._patience, claimed=False)
        _quiet()
        return seconds

    def crowd(self, driver: Driver, snapshot: str, content: Content, number: int) -> Crowd:
        """Ask for so many pods on clones at once; give when they ran."""
        names = [next(self._namespace.names) for _ in range(number)]
        began = time.perf_counter()
        for name in names:
            pod = self._pod(driver, name, "true")
            del pod["spec"]["containers"][0]["readinessProbe"]  # so many of them would be what is measured
            self._namespace.make(self._claim(driver, name, content, snapshot), pod)
        ran = [self._namespace.moments.of(name, RUNNING, self._patience) - began for name in names]
        self._namespace.let_go(names, self._patience)
        _quiet()
        return Crowd.of(ran)

    def forget(self, snapshot: str) -> None:
        """Delete a snapshot and wait until it is gone."""
        self._namespace.forget(snapshot, self._patience)
        _quiet()

    def clear(self, driver: Driver) -> None:
        """Delete all that was made with a driver, and wait until it is gone."""
        self._namespace.clear(f"{_LABEL}={driver.name}", self._patience)
        _quiet()

    def _claim(self, driver: Driver, name: str, content: Content, snapshot: str = "") -> Object:
        source = objects.of_snapshot(snapshot) if snapshot else None
        claim = _of(driver, objects.claim(name, source, content.size))
        claim["spec"]["storageClassName"] = driver.volumes
        return claim

    def _pod(self, driver: Driver | None, name: str, script: str) -> Object:
        pod = objects.pod(name, name if driver else (), script, must=self._node)
        return _of(driver, pod) if driver else pod


def _of(driver: Driver, made: Object) -> Object:
    """Give the object with the label of its driver."""
    made["metadata"]["labels"] = {_LABEL: driver.name}
    return made


def _quiet() -> None:
    """Wait until what was written is on disk, and containers that end have ended: the next one is not to pay for it."""
    os.sync()
    time.sleep(_QUIET_SECONDS)
