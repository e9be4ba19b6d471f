"""What the pool holds, read when Prometheus asks: capacity, counts, and the worst-cut volumes.

A reflink costs in step with the file's extents, so the most fragmented volumes are worth
an alarm. Counting extents is itself as slow as there are many; a scrape therefore looks
at a few volumes only, goes on where the last one stopped, and remembers what it saw.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rokcsi.model.errors import NotFound
from rokcsi.model.ids import Handles, VolumeId
from rokcsi.model.pool import Capacity, Pool

WORST = 10
_A_SCRAPE_SECONDS = 0.02


@dataclass
class ExtentSample:
    """The extents of each volume as last seen; looks at a few volumes at a time, round and round."""

    pool: Pool
    seen: dict[VolumeId, int] = field(default_factory=dict)
    _last: VolumeId | None = None

    def refresh(self, volumes: Sequence[VolumeId], seconds: float) -> None:
        """Look at as many volumes as fit into `seconds`, at least one; forget those that are gone."""
        self.seen = {volume: self.seen[volume] for volume in volumes if volume in self.seen}
        stop = time.monotonic() + seconds
        for volume in self._from_where_we_stopped(volumes):
            self._look_at(volume)
            if time.monotonic() >= stop:
                return

    def worst(self, count: int) -> Sequence[tuple[VolumeId, int]]:
        """Give the most fragmented volumes, the worst first."""
        return sorted(self.seen.items(), key=lambda item: -item[1])[:count]

    def _from_where_we_stopped(self, volumes: Sequence[VolumeId]) -> Iterable[VolumeId]:
        ordered = sorted(volumes)
        last = self._last or ""
        return [*filter(lambda volume: volume > last, ordered), *filter(lambda volume: volume <= last, ordered)]

    def _look_at(self, id: VolumeId) -> None:
        self._last = id
        try:
            self.seen[id] = self.pool.footprint(id).extents
        except NotFound:
            self.seen.pop(id, None)


class PoolMetrics(Collector):
    """Asks the pool at each scrape."""

    def __init__(self, pool: Pool, registry: CollectorRegistry) -> None:
        self._pool = pool
        self._handles = Handles(pool.id)
        self._extents = ExtentSample(pool)
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Say that nothing need be asked for at registration."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Give capacity, counts and the worst extents."""
        yield from _capacity(self._pool.capacity())
        volumes = [volume.id for volume in self._pool.volumes()]
        yield _gauge("rokcsi_volumes", "Volumes in the pool.", len(volumes))
        yield _gauge("rokcsi_snapshots", "Snapshots in the pool.", len(self._pool.snapshots()))
        if self._pool.traits.copies_by_extent:
            self._extents.refresh(volumes, _A_SCRAPE_SECONDS)
            yield self._worst()

    def _worst(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "rokcsi_volume_extents", f"Extents of the {WORST} most fragmented volumes, sampled.", labels=["volume"]
        )
        for volume, extents in self._extents.worst(WORST):
            family.add_metric([self._handles.of_volume(volume)], extents)
        return family


def _capacity(capacity: Capacity) -> Iterable[GaugeMetricFamily]:
    yield _gauge("rokcsi_pool_total_bytes", "The store's own size.", capacity.total)
    yield _gauge("rokcsi_pool_used_bytes", "What is used of the store.", capacity.used)
    yield _gauge("rokcsi_pool_promised_bytes", "What volumes and snapshots may yet grow to.", capacity.promised)
    yield _gauge("rokcsi_pool_available_bytes", "The largest new volume that would be admitted.", capacity.available)
    yield _gauge("rokcsi_pool_kept_bytes", "What deleted volumes and snapshots still occupy.", capacity.kept)
    yield _gauge("rokcsi_pool_metadata_used_ratio", "The used share of the metadata space.", capacity.metadata_used)


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """Give a metric; without a value it has no sample."""
    return GaugeMetricFamily(name, text, value=value)
