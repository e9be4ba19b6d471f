"""From EndpointSlices to addresses (discovery.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from rokcsi.model.roster import NodeAddress

PORT_NAME = "csi"
_FAMILIES = ("IPv4", "IPv6")


def addresses_of(slices: Collection[Any]) -> frozenset[NodeAddress]:
    """Give the nodes behind a Service that take calls; of a Service with both families, by IPv4 only."""
    for family in _FAMILIES:
        found = frozenset(node for each in slices if each.address_type == family for node in _within(each))
        if found:
            return found
    return frozenset()


def _within(endpoints: Any) -> Iterator[NodeAddress]:
    port = _port(endpoints)
    for endpoint in endpoints.endpoints or ():
        if port and endpoint.addresses and _takes_calls(endpoint.conditions):
            host = endpoint.addresses[0]  # all of them are the same pod, by the API's contract
            yield NodeAddress(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", endpoint.node_name or "")


def _port(endpoints: Any) -> int | None:
    ports = sorted(endpoints.ports or (), key=lambda each: each.name != PORT_NAME)
    return ports[0].port if ports else None


def _takes_calls(conditions: Any) -> bool:
    """Tell whether an endpoint serves and is not about to end; what is not said counts as good."""
    if conditions is None:
        return True
    serving = conditions.ready if conditions.serving is None else conditions.serving
    return serving is not False and not conditions.terminating
