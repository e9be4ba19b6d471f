"""The pools of nodes that are gone for good: a ConfigMap beside the switchboard, written by `rokctl node forget` only.

Each entry is a pool's id, with the node that it was on: forgetting a node again, when its
volumes are gone and name nothing any more, takes nothing back. Taking an entry out again is
a matter of `kubectl edit`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import asked
from rokcsi.model.errors import NotFound, RosterAway
from rokcsi.model.ids import PoolId, pool_of_volume

_MISSING = 404
_PAGE = 500


class ForgottenPools:
    """One ConfigMap, made when the first node is forgotten."""

    def __init__(self, api: Any, namespace: str, name: str) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace = namespace
        self._name = name

    def all(self) -> Collection[PoolId]:
        """Give the forgotten pools; raise RosterAway."""
        return frozenset(pool for text in self._entries().values() for pool in _pools(text))

    def add(self, node: str, pools: Collection[PoolId]) -> None:
        """Add a node's pools; raise RosterAway."""
        entry = {pool: f"{pool} # {node}, {dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%MZ}" for pool in pools}
        try:
            asked(self._core.patch_namespaced_config_map, self._name, self._namespace, {"data": entry})
        except RosterAway as error:
            if not _is_missing(error):
                raise
            body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=self._name), data=entry)
            asked(self._core.create_namespaced_config_map, self._namespace, body)

    def _entries(self) -> Mapping[str, str]:
        try:
            found: Mapping[str, str] | None = asked(
                self._core.read_namespaced_config_map, self._name, self._namespace
            ).data
        except RosterAway as error:
            if _is_missing(error):
                return {}
            raise
        return found or {}


def pools_of_node(api: Any, driver: str, node: str) -> Collection[PoolId]:
    """Give the pools that a driver's PersistentVolumes name and that are bound to a node; raise RosterAway."""
    found: set[PoolId] = set()
    core, token = client.CoreV1Api(api), ""
    while True:
        page = asked(core.list_persistent_volume, limit=_PAGE, _continue=token)
        found.update(pool for volume in page.items for pool in _pool_of(volume, driver, node))
        token = page.metadata._continue  # noqa: SLF001 - so the client calls the API's `continue`
        if not token:
            return frozenset(found)


def _pool_of(volume: Any, driver: str, node: str) -> Iterator[PoolId]:
    source = volume.spec.csi
    if source is None or source.driver != driver or node not in _places(volume.spec.node_affinity):
        return
    try:
        yield pool_of_volume(source.volume_handle)
    except NotFound:  # a handle that somebody else has written
        return


def _places(affinity: Any) -> set[str]:
    terms = affinity.required.node_selector_terms if affinity and affinity.required else ()
    return {value for term in terms for each in term.match_expressions or () for value in each.values or ()}


def _pools(text: str) -> Iterator[PoolId]:
    for word in text.partition("#")[0].split():
        try:
            yield PoolId(word)
        except ValueError:  # edited by hand, and wrong: that pool is not forgotten
            continue


def _is_missing(error: RosterAway) -> bool:
    return getattr(error.__cause__, "status", None) == _MISSING
