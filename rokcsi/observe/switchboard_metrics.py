"""What the switchboard counts beside its calls: those that it passed on to each node, and which nodes are there."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class SwitchboardMetrics:
    """Registered beside the metrics of `Metrics`; `known` and `away` count the nodes when Prometheus asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._routed = Counter(
            "rokcsi_routed_calls", "Calls passed on to a node.", ["node", "status"], registry=registry
        )
        self._nodes = Gauge("rokcsi_nodes", "Nodes by whether they answer.", ["state"], registry=registry)

    def routed(self, node: str, status: str) -> None:
        """Count one call that was passed on; `status` is the gRPC status' name."""
        self._routed.labels(node, status).inc()

    def count_nodes(self, known: Callable[[], int], away: Callable[[], int]) -> None:
        """Have the nodes counted at each scrape."""
        self._nodes.labels("known").set_function(known)
        self._nodes.labels("away").set_function(away)
