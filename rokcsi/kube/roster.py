"""The roster of a Kubernetes cluster: the endpoints of the nodes' headless Service."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import FAILURES, api_client, told
from rokcsi.kube.forgotten_pools import ForgottenPools
from rokcsi.kube.slice_watch import SliceWatch
from rokcsi.kube.volume_places import pools_of_node
from rokcsi.model.errors import RosterAway, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import NodeAddress


class KubernetesRoster:
    """Follows the EndpointSlices of `namespace/service` once it is watched."""

    def __init__(self, namespace: str, service: str, driver: str, api: Any = None) -> None:
        """Raise InvalidRequest where there is no way to a cluster."""
        self._api = api or api_client()
        self._driver = driver
        self._slices = SliceWatch(self._api, namespace, service)
        self._forgotten = ForgottenPools(self._api, namespace, f"{service}-forgotten")

    def addresses(self) -> Collection[NodeAddress]:
        """Give the addresses last heard of; raise RosterAway where none were heard of yet."""
        found = self._slices.addresses
        if found is None:
            raise RosterAway(f"it is not known where the nodes are: {self._slices.why}")
        return found

    def forgotten(self) -> Collection[PoolId]:
        """Give the pools that are gone for good, as the cluster says now; raise RosterAway."""
        return self._forgotten.all()

    def watch(self, changed: Callable[[], None]) -> None:
        """Begin to follow the nodes."""
        self._slices.start(changed)

    def close(self) -> None:
        """Stop following."""
        self._slices.stop()

    def pools_of(self, node: str) -> Collection[PoolId]:
        """Give the pools that PersistentVolumes on a node name; raise RosterAway."""
        return pools_of_node(client.CoreV1Api(self._api), self._driver, node)

    def forget(self, node: str, pools: Collection[PoolId]) -> None:
        """Write down that these pools are gone for good; raise StillInUse while the driver runs there, RosterAway."""
        try:
            present = self._slices.asked_now()
        except FAILURES as error:
            raise RosterAway(f"the Kubernetes API does not answer as hoped: {told(error)}") from error
        if any(each.machine == node for each in present):
            raise StillInUse(f"the driver still runs on node {node}; a node that is there cannot be forgotten")
        self._forgotten.add(node, pools)
