"""Where the nodes of a cluster are: the one thing that the switchboard has to be told from outside.

A roster lists addresses; who stands behind one, and which pool it serves, the node there
announces itself. So a node may be renamed, or come back at another address, and its data
is found all the same. Nodes come and go; one that is gone for good is forgotten by an
administrator, and only then do the deletes of what it held count as done.

    static (a setting, a file)    Kubernetes' EndpointSlices (`kube/`)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rokcsi.model.ids import PoolId


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """HOST:PORT of a node, and the machine's name where the roster knows it."""

    address: str
    machine: str = ""

    def __str__(self) -> str:
        return f"{self.machine} ({self.address})" if self.machine else self.address


class Roster(Protocol):
    """The addresses of the nodes at present. May be asked from many threads at once."""

    def addresses(self) -> Collection[NodeAddress]:
        """Give where nodes are to be found now, the same collection until that changes.

        Raises RosterAway where it has never been learned.
        """

    def forgotten(self) -> Collection[PoolId]:
        """Give the pools whose nodes are gone for good; raise RosterAway."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after each change that is noticed without being asked."""

    def close(self) -> None:
        """Stop looking."""


@runtime_checkable
class ForgetsNodes(Protocol):
    """A roster in which an administrator can write."""

    def pools_of(self, node: str) -> Collection[PoolId]:
        """Give the pools that a node is known to have had, by what the cluster holds of them; raise RosterAway."""

    def forget(self, node: str, pools: Collection[PoolId]) -> None:
        """Mark these pools as gone for good; raise StillInUse while the node is there, RosterAway."""
