from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rokcsi.model.errors import VolumeExists
from rokcsi.pools.measured import MeasuredPool
from rokcsi.pools.memory import MemoryPool
from rokcsi.pools.wrapper import unwrapped
from tests.fakes.pool_records import new_volume


@dataclass
class ListMeter:
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def observed(self, operation: str, seconds: float, error: str | None) -> None:
        assert seconds >= 0
        self.seen.append((operation, error))


def test_each_operation_is_reported_with_how_it_ended(tmp_path: Path) -> None:
    meter = ListMeter()
    pool = MeasuredPool(MemoryPool(tmp_path), meter)
    volume = pool.create_volume(new_volume("a"))
    with pytest.raises(VolumeExists):
        pool.create_volume(new_volume("a"))
    pool.volume(volume.id)
    pool.delete_volume(volume.id)
    assert meter.seen == [("create_volume", None), ("create_volume", "VolumeExists"), ("delete_volume", None)]


def test_the_pool_inside_can_be_reached(tmp_path: Path) -> None:
    inner = MemoryPool(tmp_path)
    assert unwrapped(MeasuredPool(inner, ListMeter())) is inner
