"""What a driver's PersistentVolumes tell: which pool each is in, and to which node it is bound."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from rokcsi.kube.connecting import asked
from rokcsi.model.errors import NotFound
from rokcsi.model.ids import PoolId, pool_of_volume

_PAGE = 500


def pools_of_node(core: Any, driver: str, node: str) -> Collection[PoolId]:
    """Give the pools of the volumes that are bound to a node; raise RosterAway."""
    return frozenset(pool for pool, places in _places(core, driver) if node in places)


def node_of_pool(core: Any, driver: str, pool: PoolId) -> str:
    """Give the node to which volumes of a pool are bound, empty where there are none; raise RosterAway."""
    return next((min(places) for found, places in _places(core, driver) if found == pool and places), "")


def _places(core: Any, driver: str) -> Iterator[tuple[PoolId, set[str]]]:
    """Give each volume's pool, and the values of the places that it asks for."""
    token = ""
    while True:
        page = asked(core.list_persistent_volume, limit=_PAGE, _continue=token)
        for volume in page.items:
            yield from _place(volume, driver)
        token = page.metadata._continue  # noqa: SLF001 - so the client calls the API's `continue`
        if not token:
            return


def _place(volume: Any, driver: str) -> Iterator[tuple[PoolId, set[str]]]:
    source = volume.spec.csi
    if source is None or source.driver != driver:
        return
    try:
        yield pool_of_volume(source.volume_handle), _named_in(volume.spec.node_affinity)
    except NotFound:  # a handle that somebody else has written
        return


def _named_in(affinity: Any) -> set[str]:
    terms = affinity.required.node_selector_terms if affinity and affinity.required else ()
    return {value for term in terms for each in term.match_expressions or () for value in each.values or ()}
