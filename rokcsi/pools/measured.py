"""The wrapper that measures: how often, how long, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from rokcsi.model.errors import RokcsiError
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Capacity, Footprint, Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume
from rokcsi.pools.wrapper import PoolWrapper

T = TypeVar("T")


class Meter(Protocol):
    """Who keeps the figures; it must be quick and never raise."""

    def observed(self, operation: str, seconds: float, error: str | None) -> None:
        """Count one operation (a verb of Pool) that took so long; `error` is the exception's name, None when it went well."""


class MeasuredPool(PoolWrapper):
    """Reports every verb that does work to a meter; look-ups of records in memory go unmeasured."""

    def __init__(self, inner: Pool, meter: Meter) -> None:
        super().__init__(inner)
        self._meter = meter

    def capacity(self) -> Capacity:
        """How much room there is now."""
        return self._measured("capacity", self._inner.capacity)

    def create_volume(self, new: NewVolume) -> Volume:
        """Make an empty volume."""
        return self._measured("create_volume", lambda: self._inner.create_volume(new))

    def clone_snapshot(self, id: SnapshotId, new: NewVolume) -> Volume:
        """Make a volume that begins as a snapshot."""
        return self._measured("clone_snapshot", lambda: self._inner.clone_snapshot(id, new))

    def grow_volume(self, id: VolumeId, size: Bytes) -> Volume:
        """Make a volume larger."""
        return self._measured("grow_volume", lambda: self._inner.grow_volume(id, size))

    def delete_volume(self, id: VolumeId) -> None:
        """Take a volume away."""
        self._measured("delete_volume", lambda: self._inner.delete_volume(id))

    def attach(self, id: VolumeId) -> Path:
        """Give the volume's block device on this node."""
        return self._measured("attach", lambda: self._inner.attach(id))

    def detach(self, id: VolumeId) -> None:
        """Take the block device away."""
        self._measured("detach", lambda: self._inner.detach(id))

    @contextmanager
    def holding(self, id: VolumeId) -> Iterator[Pool]:
        """Keep all others off a volume; what is done meanwhile is measured too."""
        with self._inner.holding(id) as held:
            yield MeasuredPool(held, self._meter)

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none."""
        return self._measured("take_snapshots", lambda: self._inner.take_snapshots(news, aligned=aligned))

    def delete_snapshots(self, ids: Iterable[SnapshotId]) -> None:
        """Take snapshots away."""
        self._measured("delete_snapshots", lambda: self._inner.delete_snapshots(ids))

    def label_volume(self, id: VolumeId, labels: Labels) -> Volume:
        """Merge labels into a volume's."""
        return self._measured("label_volume", lambda: self._inner.label_volume(id, labels))

    def label_snapshot(self, id: SnapshotId, labels: Labels) -> Snapshot:
        """Merge labels into a snapshot's."""
        return self._measured("label_snapshot", lambda: self._inner.label_snapshot(id, labels))

    def mark_formatted(self, id: VolumeId) -> Volume:
        """Remember that a file system is on the volume."""
        return self._measured("mark_formatted", lambda: self._inner.mark_formatted(id))

    def footprint(self, id: VolumeId | SnapshotId) -> Footprint:
        """What one volume or snapshot occupies."""
        return self._measured("footprint", lambda: self._inner.footprint(id))

    def _measured(self, operation: str, call: Callable[[], T]) -> T:
        begin = time.perf_counter()
        error: str | None = None
        try:
            return call()
        except RokcsiError as raised:
            error = type(raised).__name__
            raise
        except BaseException:
            error = "Unexpected"
            raise
        finally:
            self._meter.observed(operation, time.perf_counter() - begin, error)
