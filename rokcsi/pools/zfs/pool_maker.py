"""How a pool on ZFS is made, and what its admin should know about how it is set up.

Called by `rokcsi pool`. A ZFS pool that is there is taken as it is; of a new one, two disks or
more become a mirror, and whoever wants another layout makes it with `zpool create` first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rokcsi.model.errors import InvalidRequest, RecordNotFound, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.pool_making import Concern, PoolWish, Step
from rokcsi.pools.zfs.home import identity, known, refuse_absent
from rokcsi.pools.zfs.records import POOL
from rokcsi.system.blank_disks import refuse_used
from rokcsi.system.command import Runner
from rokcsi.system.zfs import Zfs, ZfsProperty, pool_state
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused
from rokcsi.system.zpool import Zpool

_AUTO_SNAPSHOT = "com.sun:auto-snapshot"
_SETTINGS = ("canmount=off", "mountpoint=none", "volmode=dev", "snapdev=hidden", f"{_AUTO_SNAPSHOT}=false")
_ASKED = ("volmode", "snapdev", "readonly", "sync", "quota", "used", "available", _AUTO_SNAPSHOT)
_FULL, _LAST_FULL = 80, 100


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One property as it should be: `good` values, and why another one is a concern."""

    name: str
    good: frozenset[str]
    why: str


_WANTED = (
    _Wanted("volmode", frozenset({"dev"}), "volumes would have no device, or partitions that nobody asked for"),
    _Wanted(
        "snapdev", frozenset({"hidden"}), "every snapshot would be a device, and could not be deleted while looked at"
    ),
    _Wanted("readonly", frozenset({"off"}), "nothing could be changed"),
    _Wanted("sync", frozenset({"standard", "always"}), "what writers were told is safe would be lost in a power cut"),
    _Wanted(_AUTO_SNAPSHOT, frozenset({"false"}), "snapshots that a schedule takes keep deleted volumes from going"),
)


class ZfsPoolMaker:
    """Makes the dataset of a pool, and the ZFS pool below it where there is none."""

    def __init__(self, dataset: str, runner: Runner) -> None:
        self._dataset = dataset
        self._pool = dataset.partition("/")[0]
        self._runner = runner
        self._zfs = Zfs(runner)

    def plan(self, wish: PoolWish) -> Sequence[Step]:
        """Give the steps that make the pool, none when it is there; raise StillInUse, InvalidRequest, PoolAway."""
        steps = [] if pool_state(self._pool) is not None else [self._pool_step(wish)]
        if steps:
            return [*steps, self._dataset_step(wish)]
        if wish.disks:
            raise InvalidRequest(
                f"the ZFS pool {self._pool} is there already; take the disks out of the wish, or give them to it with "
                f"`zpool add {self._pool} …`"
            )
        refuse_absent(self._pool)
        return [] if self._is_ours() else [self._dataset_step(wish)]

    def concerns(self) -> Sequence[Concern]:
        """Tell how a pool that is there is set up; raise PoolAway when its ZFS pool is not."""
        refuse_absent(self._pool)
        found = {each.name: each for each in self._zfs.properties([self._dataset], _ASKED)}
        return [*self._concerns_of_pool(), *(self._concern(wanted, found) for wanted in _WANTED), self._room(found)]

    def _pool_step(self, wish: PoolWish) -> Step:
        if not wish.disks:
            raise InvalidRequest(
                f"there is no ZFS pool {self._pool}; import it (`zpool import {self._pool}`), or name blank disks with --disk"
            )
        for disk in wish.disks:
            refuse_used(disk, self._runner)
        layout = () if len(wish.disks) == 1 else ("mirror",)
        options = ("-o", "ashift=12", "-O", "mountpoint=none", "-O", "compression=on", "-O", "atime=off")
        words = ("zpool", "create", *options, "--", self._pool, *layout, *(str(disk) for disk in wish.disks))
        what = "a mirror of these disks" if layout else "this disk, with no second copy of anything"
        return Step(f"make the ZFS pool {self._pool} of {what}", words)

    def _dataset_step(self, wish: PoolWish) -> Step:
        quota = () if wish.size is None else (f"quota={int(wish.size)}",)
        options = [word for each in (*_SETTINGS, *quota, f"{POOL}={PoolId.fresh()}") for word in ("-o", each)]
        return Step(
            f"make the dataset {self._dataset}, below which all volumes will lie",
            ("zfs", "create", "-p", *options, "--", self._dataset),
        )

    def _is_ours(self) -> bool:
        """Tell whether the dataset is a pool of ours; raise StillInUse when it is something else."""
        try:
            found = known(self._runner, self._dataset)
        except RecordNotFound:
            return False
        try:
            identity(self._dataset, found)
        except RecordNotFound as error:
            raise StillInUse(
                f"the dataset {self._dataset} is there and is no pool of rokcsi; give a path that is not taken"
            ) from error
        return True

    def _concerns_of_pool(self) -> Sequence[Concern]:
        pool = Zpool(self._runner, self._pool).facts()
        return [
            Concern("ZFS pool", pool.health, pool.health == "ONLINE", f"zpool status {self._pool}"),
            Concern(
                "a second copy of the data",
                "there" if pool.redundant else "none",
                pool.redundant,
                f"one broken disk loses everything; zpool attach {self._pool} OLD-DISK NEW-DISK",
            ),
            Concern(
                "sectors of 4 KiB or more",
                f"ashift {pool.ashift or 'chosen by ZFS'}",
                pool.ashift in {0, *range(12, 17)},
                "a pool keeps its ashift for ever; make the next one with -o ashift=12",
            ),
            Concern(
                "deleting in the background",
                pool.async_destroy,
                pool.async_destroy in {"enabled", "active"},
                f"zpool upgrade {self._pool}",
            ),
        ]

    def _concern(self, wanted: _Wanted, found: Mapping[str, ZfsProperty]) -> Concern:
        value = found[wanted.name].value
        best = min(wanted.good)
        remedy = f"{wanted.why}; zfs set {wanted.name}={best} {self._dataset}"
        return Concern(f"property {wanted.name}", value, value in wanted.good, remedy)

    def _room(self, found: Mapping[str, ZfsProperty]) -> Concern:
        used, available = int(found["used"].value), int(found["available"].value)
        share = _LAST_FULL * used // max(1, used + available)
        remedy = "ZFS slows down when it is nearly full; delete snapshots or volumes, or add disks"
        return Concern("room", f"{share} % used", share < _FULL, remedy)


def exists(dataset: str, runner: Runner) -> bool:
    """Tell whether a dataset is a pool of ours; raise PoolAway where its ZFS pool is not imported."""
    refuse_absent(dataset.partition("/")[0])
    try:
        identity(dataset, known(runner, dataset))
    except RecordNotFound:
        return False
    except ZfsRefused as refused:
        if refused.refusal is ZfsRefusal.MISSING:
            return False
        raise
    return True
