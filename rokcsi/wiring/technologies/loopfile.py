"""The embedded pool, in a folder."""

from __future__ import annotations

from collections.abc import Sequence

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.pool import Pool
from rokcsi.model.pool_making import Concern, PoolMaker, PoolWish, Step
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

    def maker(self, where: PoolSpecification) -> PoolMaker:
        """Give the maker of folders, which has nothing to do."""
        return _OpeningMakesIt(where)


class _OpeningMakesIt:
    """A folder is made when it is opened, and has no settings."""

    def __init__(self, where: PoolSpecification) -> None:
        self._where = where

    def plan(self, wish: PoolWish) -> Sequence[Step]:
        """Give no step; raise InvalidRequest where disks or a size are asked for."""
        if wish != PoolWish():
            raise InvalidRequest(f"{self._where} is a folder: it takes no disk and no size; see the setting image-size")
        return ()

    def concerns(self) -> Sequence[Concern]:
        """Tell nothing."""
        return ()
