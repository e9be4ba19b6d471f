"""From EndpointSlices, as JSON, to addresses (discovery.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rokcsi.kube.following import Object
from rokcsi.model.roster import NodeAddress

PORT_NAME = "csi"
_FAMILIES = ("IPv4", "IPv6")


def addresses_of(slices: Collection[Object]) -> frozenset[NodeAddress]:
    """Give the nodes behind a Service that take calls; of a Service with both families, by IPv4 only."""
    for family in _FAMILIES:
        found = frozenset(node for each in slices if each["addressType"] == family for node in _within(each))
        if found:
            return found
    return frozenset()


def _within(endpoints: Object) -> Iterator[NodeAddress]:
    port = _port(endpoints)
    for endpoint in endpoints.get("endpoints") or ():
        if port and endpoint["addresses"] and _takes_calls(endpoint.get("conditions") or {}):
            host = endpoint["addresses"][0]  # all of them are the same pod, by the API's contract
            yield NodeAddress(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", endpoint.get("nodeName") or "")


def _port(endpoints: Object) -> int | None:
    ports = sorted(endpoints.get("ports") or (), key=lambda each: each.get("name") != PORT_NAME)
    return ports[0].get("port") if ports else None


def _takes_calls(conditions: Object) -> bool:
    """Tell whether an endpoint serves and is not about to end; what is not said counts as good."""
    serving = conditions.get("serving")
    serving = conditions.get("ready") if serving is None else serving
    return serving is not False and not conditions.get("terminating")
