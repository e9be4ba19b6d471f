"""What really lies in a pool, counted without the driver: an independent eye for tests of a served driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rokcsi.pools.specification import PoolSpecification
from tests.fakes.zfs_pools import zfs


def held_in(pool: str) -> dict[str, int]:
    """Give how many volumes and snapshots lie in the pool of this specification."""
    where = PoolSpecification.parse(pool)
    return _WITNESSES[where.kind](where)


def _loop_files(where: PoolSpecification) -> dict[str, int]:
    image = where.folder / "mnt"
    root = image if image.is_mount() else where.folder
    return {kind: _files_in(root / kind) for kind in ("volumes", "snapshots")}


def _files_in(folder: Path) -> int:
    return sum(1 for file in folder.iterdir() if file.is_file())


def _zfs(where: PoolSpecification) -> dict[str, int]:
    kinds = {"volumes": "volume", "snapshots": "snapshot"}
    return {word: len(zfs("list", "-H", "-t", kind, "-r", where.place).splitlines()) for word, kind in kinds.items()}


_WITNESSES: Mapping[str, Callable[[PoolSpecification], dict[str, int]]] = {"loopfile": _loop_files, "zfs": _zfs}
