"""How an LVM thin pool for us is made, and how one that is there is set up.

Called by `rokcsi pool create` and `rokcsi pool check`; both engines on thin pools use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rokcsi.model.errors import InvalidRequest, PoolFull
from rokcsi.model.pool_making import Concern, PoolWish, Step
from rokcsi.model.sizes import Bytes
from rokcsi.pools.lvm.refused import refusals
from rokcsi.system.blank_disks import refuse_used
from rokcsi.system.block_devices import device_size
from rokcsi.system.command import Runner
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_refusals import LvmRefused, Reason
from rokcsi.system.lvm_reports import ThinPoolSettings, VolumeGroup

_MIB, _GIB = 1 << 20, 1 << 30
# Room for about fifty thousand volumes in the group's own metadata; LVM's default has room for a thousand.
_GROUP_METADATA = 64 * _MIB
_EXTENT = 4 * _MIB
# A share of the pool for its metadata: four times what one complete mapping in the smallest chunks takes.
_METADATA_SHARE = 256
_SMALLEST_METADATA, _LARGEST_METADATA = 64 * _MIB, 15 * _GIB
_SMALLEST_CHUNK, _CHUNKS_AT_MOST = 64 << 10, 1 << 27
_SHARE_OF_FREE = 0.95  # the rest is for growing the metadata, when that is the first to run short
_SMALLEST_POOL = 256 * _MIB
_COMFORTABLE = 0.70


@dataclass(frozen=True, slots=True)
class ThinPoolMaker:
    """Makes the thin pool `pool` of the volume group `group`, and that too where disks are given. Satisfies `PoolMaker`."""

    group: str
    pool: str
    runner: Runner

    def plan(self, wish: PoolWish) -> Sequence[Step]:
        """Give the steps; raise StillInUse for a disk that holds anything, InvalidRequest, PoolFull."""
        there = self._group()
        if there is None:
            return self._steps_from_disks(wish)
        if self._is_there():
            if wish.disks:
                raise InvalidRequest(f"{self.group}/{self.pool} is there already; to give it disks: vgextend, lvextend")
            return ()
        if wish.disks:
            raise InvalidRequest(f"the volume group {self.group} is there already; to give it disks: vgextend")
        return [self._pool_step(there.free, wish.size)]

    def concerns(self) -> Sequence[Concern]:
        """Tell how the thin pool is set up; raise Unavailable when it is not there."""
        with refusals(f"look at {self.group}/{self.pool}"):
            report = Lvm(self.runner, self.group).report()
            if self.pool not in report.pools:
                raise LvmRefused(Reason.NO_POOL, f"{self.group} has no thin pool {self.pool}")
        return [*_of_settings(f"{self.group}/{self.pool}", report.pools[self.pool]), *_of_group(report.group)]

    def _group(self) -> VolumeGroup | None:
        with refusals(f"look for the volume group {self.group}"):
            try:
                return Lvm(self.runner, self.group).group()
            except LvmRefused as refused:
                if refused.reason is Reason.NO_GROUP:
                    return None
                raise

    def _is_there(self) -> bool:
        try:
            report = Lvm(self.runner, self.group).report()
        except LvmRefused as refused:
            if refused.reason is Reason.NO_POOL:
                return False
            raise
        if report.volume(self.pool) is not None and self.pool not in report.pools:
            raise InvalidRequest(f"{self.group}/{self.pool} is no thin pool; choose another name")
        return self.pool in report.pools

    def _steps_from_disks(self, wish: PoolWish) -> Sequence[Step]:
        if not wish.disks:
            raise InvalidRequest(
                f"there is no volume group {self.group}; name the disks to make it from: --disk /dev/…"
            )
        for disk in wish.disks:
            refuse_used(disk, self.runner)
        disks = [str(disk) for disk in wish.disks]
        return [
            Step(
                f"make {', '.join(disks)} LVM's, with room for the metadata of many volumes",
                ("lvm", "pvcreate", "--metadatasize", f"{_GROUP_METADATA}b", "--", *disks),
            ),
            Step(
                f"make the volume group {self.group} of them",
                ("lvm", "vgcreate", "--physicalextentsize", f"{_EXTENT}b", "--", self.group, *disks),
            ),
            self._pool_step(_usable(wish), wish.size),
        ]

    def _pool_step(self, free: Bytes, wished: Bytes | None) -> Step:
        metadata = _metadata_size(wished or free)
        size = Bytes(max(0, int(free * _SHARE_OF_FREE) - 2 * metadata) if wished is None else wished)
        size = Bytes(size // _EXTENT * _EXTENT)
        if size < _SMALLEST_POOL or size + 2 * metadata > free:
            raise PoolFull(
                f"{free} are free in {self.group}; a pool needs at least {Bytes(_SMALLEST_POOL)}, and its metadata "
                f"({metadata}) twice: LVM keeps as much again for repairing it"
            )
        sizes = (
            "--size",
            f"{int(size)}b",
            "--poolmetadatasize",
            f"{int(metadata)}b",
            "--chunksize",
            f"{_chunk(size)}b",
        )
        safe = ("--zero", "y", "--errorwhenfull", "y")
        return Step(
            f"make the thin pool {self.pool} of {size}, its metadata of {metadata}",
            # LVM 2.03.16 takes --errorwhenfull with --thin only, and refuses it with --type thin-pool.
            ("lvm", "lvcreate", "--thin", *sizes, *safe, "--", f"{self.group}/{self.pool}"),
        )


def _usable(wish: PoolWish) -> Bytes:
    try:
        sizes = [device_size(disk) for disk in wish.disks]
    except OSError as error:
        raise InvalidRequest(f"the size of a disk cannot be read: {error.strerror}") from error
    return Bytes(sum(max(0, size - _GROUP_METADATA - 2 * _EXTENT) // _EXTENT * _EXTENT for size in sizes))


def _metadata_size(data: Bytes) -> Bytes:
    size = min(max(data // _METADATA_SHARE, _SMALLEST_METADATA), _LARGEST_METADATA)
    return Bytes(size).rounded_up(_EXTENT)


def _chunk(data: Bytes) -> int:
    chunk = _SMALLEST_CHUNK
    while data // chunk > _CHUNKS_AT_MOST:
        chunk *= 2
    return chunk


def _of_settings(path: str, settings: ThinPoolSettings) -> Sequence[Concern]:
    return [
        Concern(
            "new blocks are zeroed",
            "yes" if settings.zeroes else "no: a volume may show what another one held",
            settings.zeroes,
            f"lvchange --zero y {path}",
        ),
        Concern(
            "writers are told when it is full",
            "at once" if settings.error_when_full else "after a minute, in which they stand still",
            settings.error_when_full,
            f"lvchange --errorwhenfull y {path}, unless dmeventd makes it larger by itself",
        ),
        Concern(
            "deleted blocks are given back",
            settings.discards,
            settings.discards != "ignore",
            f"deactivate it, then lvchange --discards passdown {path}",
        ),
        Concern(
            "dmeventd watches it",
            "yes" if settings.monitored else "no: only the driver's limits keep it from filling up",
            good=True,
        ),
    ]


def _of_group(group: VolumeGroup) -> Sequence[Concern]:
    return [
        Concern(
            "room for the volume group's own metadata",
            f"{group.metadata_used:.0%} of {group.metadata_room} used",
            group.metadata_used <= _COMFORTABLE,
            "delete what is not needed; its size is a disk's, set once: vgextend by a disk made with "
            "pvcreate --metadatasize, then pvchange --metadataignore y on the others",
        ),
        Concern(
            "all disks of the volume group are there",
            "yes" if not group.missing_disks else f"{group.missing_disks} missing",
            not group.missing_disks,
            "attach them; nothing can be made meanwhile",
        ),
    ]
