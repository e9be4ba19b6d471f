"""The embedded pool, in a folder."""

from __future__ import annotations

from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.pools.loopfile.pool import LoopFilePool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.wiring.technologies import Opening


class LoopFileTechnology:
    """Opens loop-file pools, and makes one in a folder that has none."""

    def open(self, opening: Opening) -> Pool:
        """Open the pool in the folder, or make one there."""
        size = opening.settings.image_size
        return LoopFilePool.open(
            opening.where.folder,
            freezer=opening.freezer,
            image_size=None if size is None else Bytes(size),
            locks=opening.locks,
        )

    def exists(self, where: PoolSpecification) -> bool:
        """Tell whether the folder holds a pool."""
        return (where.folder / "pool.json").exists()
