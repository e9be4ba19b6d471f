"""Tells the metrics of each freeze window that a cut has just caused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rokcsi.model.pool import Pool
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.observe.metrics import Metrics
from rokcsi.pools.wrapper import PoolWrapper


class FreezeReportingPool(PoolWrapper):
    """Reports the window of new cuts only: a repeated call gives the snapshots of the first one."""

    def __init__(self, inner: Pool, metrics: Metrics) -> None:
        super().__init__(inner)
        self._metrics = metrics

    def take_snapshots(self, news: Sequence[NewSnapshot], *, aligned: bool = True) -> Sequence[Snapshot]:
        """Cut all these snapshots at one instant, or none."""
        began = dt.datetime.now(dt.UTC)
        taken = self._inner.take_snapshots(news, aligned=aligned)
        windows = [snapshot.freeze_window_seconds for snapshot in taken if snapshot.created_at >= began]
        if any(windows):
            self._metrics.froze(max(windows))
        return taken
