"""The wrapper that keeps a pool from filling up: new work is refused while there is still room.

Overwriting a shared block needs space that no call announces, so space is promised when a
thing is made. What a pool may yet grow to is every volume written in full, plus what the
snapshots keep: at most their sizes together, and never more than what is stored today.

    promised = sizes of all volumes + min(used, sizes of all snapshots)

With an `overcommit` of 1.0 that never exceeds the store, so a volume's writer never finds
it full (where nothing else lives in the same store). Above 1.0 it may: then what was synced
before is intact, and later writes fail with an error that the application sees.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from rokcsi.model.errors import NotFound, PoolFull
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import NewVolume, Volume
from rokcsi.pools.wrapper import PoolWrapper

_Id = TypeVar("_Id")


@dataclass(frozen=True, slots=True)
class Limits:
    """`overcommit`: bytes promised for each byte of the store; the limits: the shares, 0 to 1, of bytes and of metadata that may be used."""

    overcommit: float = 10.0
    data_limit: float = 0.85
    metadata_limit: float = 0.70


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sizes of all volumes and of all snapshots, in bytes; differences may be negative."""

    volumes: int = 0
    snapshots: int = 0

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(self.volumes + other.volumes, self.snapshots + other.snapshots)

    def minus(self, other: _Sums) -> _Sums:
        return _Sums(self.volumes - other.volumes, self.snapshots - other.snapshots)

    def promised(self, used: Bytes) -> int:
        return self.volumes + min(used, self.snapshots)


class AdmittingPool(PoolWrapper):
    """Refuses new volumes, clones, growth and snapshots with PoolFull beyond its limits; deleting always works.

    The sums are kept as things come and go, so that a decision costs the same in a pool of
    ten volumes and of ten thousand.
    """

    def __init__(self, inner: Pool, limits: Limits) -> None:
        super().__init__(inner)
        self._limits = limits
        self._mutex = threading.Lock()
        volumes = sum(volume.size for volume in inner.volumes())
        self._sums = _Sums(volumes, sum(snapshot.size for snapshot in inner.snapshots()))

    def capacity(self) -> Capacity:
        """Give the store's own figures, what is promised, and the largest new volume admitted now."""
        store = self._inner.capacity()
        promised = self._sums.promised(store.used)
        room = 0 if self._too_full(store) is not None else max(0, self._allowed(store) - promised)
        unit = self.traits.allocation_unit
        return replace(store, promised=Bytes(promised), available=Bytes(room // unit * unit))

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume; raise PoolFull."""
        with self._promised(_Sums(volumes=new.size)):
            return self._inner.create_volume(new)

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot; raise PoolFull."""
        with self._promised(_Sums(volumes=new.size)):
            return self._inner.clone_snapshot(id, new)

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger; raise PoolFull."""
        growth = size - self.volume(id).size
        if growth <= 0:
            return self._inner.grow_volume(id, size)
        with self._promised(_Sums(volumes=growth)):
            return self._inner.grow_volume(id, size)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots, or none; raise PoolFull."""
        with self._promised(_Sums(snapshots=sum(self.volume(new.volume).size for new in news))):
            return self._inner.take_snapshots(news, aligned=aligned)

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume and its promise away."""
        size = self.volume(id).size
        try:
            self._inner.delete_volume(id)
        finally:
            # Also when the pool took it away and then failed: nobody will ask for it again.
            if not _is_there(self._inner.volume, id):
                self._free(_Sums(volumes=size))

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots and their promises away."""
        going = list(dict.fromkeys(ids))
        sizes = {snapshot: self.snapshot(snapshot).size for snapshot in going}
        try:
            self._inner.delete_snapshots(going)
        finally:
            gone = sum(size for snapshot, size in sizes.items() if not _is_there(self._inner.snapshot, snapshot))
            self._free(_Sums(snapshots=gone))

    @contextmanager
    def _promised(self, more: _Sums) -> Iterator[None]:
        store = self._inner.capacity()
        with self._mutex:
            self._refuse_beyond_limits(store, self._sums.plus(more))
            self._sums = self._sums.plus(more)
        try:
            yield
        except BaseException:
            self._free(more)
            raise

    def _free(self, less: _Sums) -> None:
        with self._mutex:
            self._sums = self._sums.minus(less)

    def _refuse_beyond_limits(self, store: Capacity, sums: _Sums) -> None:
        too_full = self._too_full(store)
        if too_full is not None:
            raise PoolFull(too_full)
        promised, allowed = sums.promised(store.used), self._allowed(store)
        if promised > allowed:
            raise PoolFull(
                f"the pool {self.name} would have promised {Bytes(promised)}, and {Bytes(allowed)} is the most "
                f"(overcommit {self._limits.overcommit:g}); delete snapshots or volumes, or ask for less"
            )

    def _too_full(self, store: Capacity) -> str | None:
        """Say in which way the store is too full for anything new; None when it is not."""
        if store.used > store.total * self._limits.data_limit:
            return (
                f"the pool {self.name} is {store.used / store.total:.0%} full, and takes nothing new above "
                f"{self._limits.data_limit:.0%}; delete snapshots or volumes, or give it more space"
            )
        if store.metadata_used is not None and store.metadata_used > self._limits.metadata_limit:
            return (
                f"the metadata of the pool {self.name} is {store.metadata_used:.0%} full, and the pool takes nothing new "
                f"above {self._limits.metadata_limit:.0%}; delete snapshots or volumes, or give it more metadata space"
            )
        return None

    def _allowed(self, store: Capacity) -> int:
        return int(store.total * self._limits.overcommit)


def _is_there(look: Callable[[_Id], object], id: _Id) -> bool:
    try:
        look(id)
    except NotFound:
        return False
    return True
