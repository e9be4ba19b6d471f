"""What the driver counts and times, for Prometheus: calls, pool operations, freeze windows.

Every metric of the driver is declared here or in `pool_metrics`; docs/reference/metrics.md
lists them, and a test compares the two.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from rokcsi.observe.logs import requests_at_work

CALL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
FREEZE_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0)
OK = "OK"


class Metrics:
    """The driver's metrics in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._calls = self._counter("rokcsi_rpcs", "CSI calls answered.", "method", "status")
        self._call_seconds = self._histogram("rokcsi_rpc_duration_seconds", "How long a CSI call took.", "method")
        running = Gauge("rokcsi_tasks_running", "Calls being carried out now.", registry=self.registry)
        running.set_function(requests_at_work)
        self._operations = self._counter("rokcsi_pool_operations", "Operations of the pool.", "operation", "status")
        self._operation_seconds = self._histogram(
            "rokcsi_pool_operation_duration_seconds", "How long an operation of the pool took.", "operation"
        )
        self._freezes = Histogram(
            "rokcsi_freeze_window_seconds",
            "How long writers were held up for a snapshot or a group of snapshots.",
            buckets=FREEZE_SECONDS,
            registry=self.registry,
        )
        self._waits = self._histogram(
            "rokcsi_checkpoint_wait_seconds", "How long a pod's volumes waited for the timeline.", "side", "answered"
        )
        build = Gauge("rokcsi_build", "Always 1; the version is in the label.", ["version"], registry=self.registry)
        build.labels(version).set(1)

    def call_answered(self, method: str, status: str, seconds: float) -> None:
        """Count one CSI call; `status` is the gRPC status' name."""
        self._calls.labels(method, status).inc()
        self._call_seconds.labels(method).observe(seconds)

    def observed(self, operation: str, seconds: float, error: str | None) -> None:
        """Count one operation of the pool; its status is OK or the name of what was raised."""
        self._operations.labels(operation, error or OK).inc()
        self._operation_seconds.labels(operation).observe(seconds)

    def froze(self, seconds: float) -> None:
        """Record one freeze window."""
        self._freezes.observe(seconds)

    def waited(self, side: str, seconds: float, *, answered: bool) -> None:
        """Record one wait for the timeline; `answered` tells whether it was answered within its time."""
        self._waits.labels(side, "yes" if answered else "no").observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=CALL_SECONDS, registry=self.registry)
