"""What the timeline counts: clones placed, not placed and waiting; the parts of what pods wait for; snapshots refused."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rokcsi.model.claims import AtCreation
from rokcsi.observe.metrics import CALL_SECONDS


class TimelineMetrics:
    """Registered beside the metrics of `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._placed = Counter(
            "rokcsi_clones_placed", "Claims that got the node of their source's data.", ["instead"], registry=registry
        )
        self._refused = Counter(
            "rokcsi_clones_not_placed", "Events that say why a clone cannot be made.", ["reason"], registry=registry
        )
        self._at_creation = Counter(
            "rokcsi_clones_at_creation",
            "Claims to be cloned that were asked about while they were being made.",
            ["outcome"],
            registry=registry,
        )
        for each in AtCreation:
            self._at_creation.labels(each.value)
        self._waiting = Gauge("rokcsi_clones_waiting", "Claims to be cloned without a volume.", registry=registry)

        self._parts = Histogram(
            "rokcsi_checkpoint_part_seconds",
            "What checkpoints at the mount were made of, in time.",
            ["side", "part"],
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._not_provided = Counter(
            "rokcsi_snapshots_not_provided",
            "Events that say why a checkpoint cannot be had as a VolumeSnapshot.",
            ["reason"],
            registry=registry,
        )

        self._unreadable = Gauge(
            "rokcsi_catalog_unreadable",
            "1 for each namespace whose catalogue cannot be read.",
            ["namespace"],
            registry=registry,
        )

    def placed(self, *, corrected: bool) -> None:
        """Count a claim that got its node; `corrected` where another had been chosen."""
        self._placed.labels("wrong" if corrected else "none").inc()

    def at_creation(self, outcome: AtCreation) -> None:
        """Count what became of a claim while it was being made."""
        self._at_creation.labels(outcome.value).inc()

    def refused(self, reason: str) -> None:
        """Count a notice to a claim's owner."""
        self._refused.labels(reason).inc()

    def waited(self, side: str, part: str, seconds: float) -> None:
        """Take note of one part of one checkpoint; `side` is the end of the pod's visit, before or after."""
        self._parts.labels(side, part).observe(seconds)

    def not_provided(self, reason: str) -> None:
        """Count a notice to a snapshot's owner."""
        self._not_provided.labels(reason).inc()

    def catalog_unreadable(self, namespace: str) -> None:
        """Take note that a namespace's catalogue cannot be read."""
        self._unreadable.labels(namespace).set(1)

    def catalog_readable(self, namespace: str) -> None:
        """Take note that it can be read again."""
        self._unreadable.remove(namespace)

    def count_waiting(self, waiting: Callable[[], int]) -> None:
        """Have the claims that wait counted at each scrape."""
        self._waiting.set_function(waiting)
