"""Where the nodes are, by the EndpointSlices of their headless Service; what was heard last stays while the API is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client

from rokcsi.kube.endpoint_slices import addresses_of
from rokcsi.kube.following import Following, Object
from rokcsi.model.roster import NodeAddress


class SliceWatch:
    """Keeps `addresses` up to date once it is started; None until the first list came."""

    def __init__(self, api: Any, namespace: str, service: str) -> None:
        self.addresses: frozenset[NodeAddress] | None = None
        self._known: dict[str, Object] = {}
        self._tell: Callable[[], None] = lambda: None
        self._following = Following(
            "nodes",
            client.DiscoveryV1Api(api).list_namespaced_endpoint_slice,
            self,
            namespace=namespace,
            label_selector=f"kubernetes.io/service-name={service}",
        )

    @property
    def why(self) -> str | None:
        """Give why nothing is known yet."""
        return self._following.why_not

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to follow; `changed` is called after each change."""
        self._tell = changed
        self._following.start()

    def stop(self) -> None:
        """Stop following."""
        self._following.stop()

    def asked_now(self) -> frozenset[NodeAddress]:
        """Ask for the addresses of now; raises what the client raises."""
        self._following.list_now()
        return self.addresses or frozenset()

    def listed(self, objects: Iterator[Object]) -> None:
        """Take over the slices that there are."""
        self._known = {each["metadata"]["name"]: each for each in objects}
        self._publish()

    def changed(self, changed: Object) -> None:
        """Take over one slice."""
        self._known[changed["metadata"]["name"]] = changed
        self._publish()

    def gone(self, gone: Object) -> None:
        """Forget one slice."""
        self._known.pop(gone["metadata"]["name"], None)
        self._publish()

    def _publish(self) -> None:
        now = addresses_of(self._known.values())
        if now != self.addresses:
            self.addresses = now
            self._tell()
