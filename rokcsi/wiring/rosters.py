"""Which roster a setting names, and how a node is forgotten in it.

The Kubernetes client is imported only where it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, NotSupported, RecordNotFound
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import ForgetsNodes, Roster
from rokcsi.switchboard.written_roster import FileRoster, StaticRoster


def open_roster(nodes: str, driver: str) -> Roster:
    """Give the roster of `static:…`, `file:…` or `kubernetes:…`; raise InvalidRequest, NotSupported."""
    kind, _, place = nodes.partition(":")
    match kind:
        case "static":
            return StaticRoster(place)
        case "file":
            return FileRoster(Path(place))
        case "kubernetes":
            return _in_kubernetes(place, driver)
    raise InvalidRequest(f"the nodes are to be found by static:, file: or kubernetes:, not by {kind}:")


@contextmanager
def kubernetes_client() -> Iterator[None]:
    """Import `rokcsi.kube` in the block; raises NotSupported where the Kubernetes client is not installed."""
    try:
        yield
    except ImportError as error:
        raise NotSupported(
            f"the Kubernetes client is not installed: {error}; pip install 'rokcsi[kubernetes]'"
        ) from error


def forget_node(nodes: str, driver: str, node: str) -> Collection[PoolId]:
    """Forget a node by its name, or by the id of its pool; give the pools that count as gone now.

    Raises StillInUse while the node is there, RecordNotFound where nobody knows its pools.
    """
    roster = open_roster(nodes, driver)
    if not isinstance(roster, ForgetsNodes):
        raise NotSupported("nodes written down in a setting cannot be forgotten; use file: or kubernetes:")
    pools = _pool_itself(node) or roster.pools_of(node)
    if not pools:
        raise RecordNotFound(
            f"no pool of a node {node} is known; name the pool instead: the errors for its volumes say which it is"
        )
    roster.forget(node, pools)
    return pools


def _pool_itself(node: str) -> Collection[PoolId]:
    try:
        return [PoolId(node)]
    except ValueError:
        return ()


def _in_kubernetes(place: str, driver: str) -> Roster:
    with kubernetes_client():
        from rokcsi.kube.roster import KubernetesRoster  # noqa: PLC0415 - heavy, and not everybody has it
    namespace, _, service = place.partition("/")
    return KubernetesRoster(namespace, service, driver)
