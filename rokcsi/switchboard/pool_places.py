"""Which node of the cluster serves a pool: asked of the nodes themselves, by the directory."""

from __future__ import annotations

from rokcsi.model.ids import PoolId
from rokcsi.switchboard.directory import Directory


class PoolPlaces:
    """Gives nodes by the cluster's own names for them."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def node_of(self, pool: PoolId) -> str:
        """Give the machine's name as the roster has it, else as the node announced itself; raises what `of_pool` does."""
        route = self._directory.of_pool(pool)
        return route.line.where.machine or route.announcement.driver.node_id
