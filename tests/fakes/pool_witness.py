"""What really lies in a pool, counted without the driver: an independent eye for tests of a served driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.lvm import mapped_name
from rokcsi.system.thin_pool import ThinPool
from tests.fakes.loop_disks import run
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


def _logical_volumes(where: PoolSpecification) -> dict[str, int]:
    group, pool = where.parts
    listed = run("lvs", "--noheadings", "--options", "lv_name", "--select", f"pool_lv={pool}", group).split()
    return {kind: sum(1 for name in listed if name.startswith(kind[0] + "-")) for kind in ("volumes", "snapshots")}


def _thin_devices(where: PoolSpecification) -> dict[str, int]:
    """Count all thin devices but the journal's; the pool's metadata does not tell what they are for."""
    mapper = DeviceMapper()
    devices = devices_in(ThinPool(mapper, mapped_name(*where.parts)))
    mapper.close()
    return {"volumes": len(devices) - 1, "snapshots": 0}


def _zfs(where: PoolSpecification) -> dict[str, int]:
    """Count all but what is deleted and stays for the sake of a clone; the last clone of each chain is counted."""
    columns = "name,type,defer_destroy,dev.rokcsi:deleted"
    listed = zfs("list", "-H", "-t", "volume,snapshot", "-o", columns, "-r", where.place).splitlines()
    rows = [line.split("\t") for line in listed]
    with_snapshots = {name.partition("@")[0] for name, kind, _, _ in rows if kind == "snapshot"}
    kinds = [
        kind
        for name, kind, deferred, deleted in rows
        if deferred != "on" and not (name in with_snapshots and name.endswith(f"/{deleted}"))
    ]
    return {"volumes": kinds.count("volume"), "snapshots": kinds.count("snapshot")}


_WITNESSES: Mapping[str, Callable[[PoolSpecification], dict[str, int]]] = {
    "loopfile": _loop_files,
    "lvm": _logical_volumes,
    "lvm-direct": _thin_devices,
    "zfs": _zfs,
}
