"""What the timeline counts: the clones that it has placed, those it could not place, and those that wait."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class TimelineMetrics:
    """Registered beside the metrics of `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._placed = Counter(
            "rokcsi_clones_placed", "Claims that got the node of their source's data.", ["instead"], registry=registry
        )
        self._refused = Counter(
            "rokcsi_clones_not_placed", "Events that say why a clone cannot be made.", ["reason"], registry=registry
        )
        self._waiting = Gauge("rokcsi_clones_waiting", "Claims to be cloned without a volume.", registry=registry)

    def placed(self, *, corrected: bool) -> None:
        """Count a claim that got its node; `corrected` where another had been chosen."""
        self._placed.labels("wrong" if corrected else "none").inc()

    def refused(self, reason: str) -> None:
        """Count a notice to a claim's owner."""
        self._refused.labels(reason).inc()

    def count_waiting(self, waiting: Callable[[], int]) -> None:
        """Have the claims that wait counted at each scrape."""
        self._waiting.set_function(waiting)
