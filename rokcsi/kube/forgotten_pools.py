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

from rokcsi.kube.connecting import MISSING, asked, status_of
from rokcsi.model.errors import RosterAway
from rokcsi.model.ids import PoolId


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
            if status_of(error) != MISSING:
                raise
            body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=self._name), data=entry)
            asked(self._core.create_namespaced_config_map, self._namespace, body)

    def _entries(self) -> Mapping[str, str]:
        try:
            found: Mapping[str, str] | None = asked(
                self._core.read_namespaced_config_map, self._name, self._namespace
            ).data
        except RosterAway as error:
            if status_of(error) == MISSING:
                return {}
            raise
        return found or {}


def _pools(text: str) -> Iterator[PoolId]:
    for word in text.partition("#")[0].split():
        try:
            yield PoolId(word)
        except ValueError:  # edited by hand, and wrong: that pool is not forgotten
            continue
