"""The roster of a Kubernetes cluster: the endpoints of the nodes' headless Service."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import FAILURES, api_client, read, told
from rokcsi.kube.forgotten_pools import ForgottenPools
from rokcsi.kube.node_objects import ready_condition
from rokcsi.kube.slice_watch import SliceWatch
from rokcsi.kube.volume_places import node_of_pool, pools_of_node
from rokcsi.model.errors import RosterAway, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import NodeAddress


class KubernetesRoster:
    """Follows the EndpointSlices of `namespace/service` once it is watched."""

    def __init__(self, namespace: str, service: str, driver: str, api: Any = None) -> None:
        """Raise InvalidRequest where there is no way to a cluster."""
        self._api = api or api_client()
        self._core = client.CoreV1Api(self._api)
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
        return pools_of_node(self._core, self._driver, node)

    def forget(self, node: str, pools: Collection[PoolId]) -> None:
        """Write down that these pools are gone for good; raise StillInUse while the driver, or just the node, runs, RosterAway."""
        try:
            present = self._slices.asked_now()
        except FAILURES as error:
            raise RosterAway(f"the Kubernetes API does not answer as hoped: {told(error)}") from error
        machines = {node, *(node_of_pool(self._core, self._driver, pool) for pool in pools)} - {""}
        for machine in sorted(machines):
            if any(each.machine == machine for each in present):
                raise StillInUse(f"the driver still runs on node {machine}; a node that is there cannot be forgotten")
            if self._runs(machine):
                raise StillInUse(
                    f"the cluster says that node {machine} is Ready, and the driver there may come back; "
                    f"see to its pod, or delete the node first: kubectl delete node {machine}"
                )
        self._forgotten.add(node, pools)

    def _runs(self, machine: str) -> bool:
        """Tell whether kubelet is at work there, with or without our driver; raise RosterAway."""
        return ready_condition(read(self._core.read_node, machine) or {}).get("status") == "True"
