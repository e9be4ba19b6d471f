"""What the driver's pods say of the time that their calls took: the sums of its histograms, read through the API server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kubernetes import client
from prometheus_client.parser import text_string_to_metric_families

_SELECTOR = "app.kubernetes.io/name=rokcsi,app.kubernetes.io/component in (controller, node)"
_COMPONENT = "app.kubernetes.io/component"
_FAMILY = "rokcsi_rpc_duration_seconds"
# The node's part of CreateVolume and CreateSnapshot is within the controller's.
_OF_A_POD = ("controller CreateVolume", "node NodeStageVolume", "node NodePublishVolume", "node NodeGetCapabilities")
_OF_A_SNAPSHOT = "controller CreateSnapshot"


class OurCalls:
    """Asks all pods of the driver in a namespace."""

    def __init__(self, api: Any, namespace: str) -> None:
        self._core, self._namespace = client.CoreV1Api(api), namespace

    def seconds(self) -> Counter[str]:
        """Give the seconds spent so far, by who answered and the method; all nodes together."""
        spent: Counter[str] = Counter()
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=_SELECTOR).items
        for pod in pods:
            component = pod.metadata.labels[_COMPONENT]
            for method, seconds in self._sums(pod):
                spent[f"{component} {method}"] += seconds  # type: ignore[assignment]  # a Counter may count seconds
        return spent

    def pod_starts_since(self, before: Counter[str]) -> dict[str, float]:
        """Give the seconds of the calls that a pod waits for, by method in their order."""
        now = self.seconds()
        return {method: now[method] - before[method] for method in _OF_A_POD}

    def snapshots_since(self, before: Counter[str]) -> float:
        """Give the seconds of the calls that a snapshot waits for."""
        return self.seconds()[_OF_A_SNAPSHOT] - before[_OF_A_SNAPSHOT]

    def _sums(self, pod: Any) -> Iterator[tuple[str, float]]:
        port = next(each.container_port for each in pod.spec.containers[0].ports if each.name == "metrics")
        answer = self._core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod.metadata.name}:{port}", self._namespace, "metrics", _preload_content=False
        )
        for family in text_string_to_metric_families(answer.data.decode()):
            if family.name == _FAMILY:
                yield from ((s.labels["method"], s.value) for s in family.samples if s.name == f"{_FAMILY}_sum")
