from __future__ import annotations

from collections.abc import Callable

import pytest

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.index import Index
from rokcsi.pools.indexed import IndexedPool
from tests.unit.pools.test_index import GROUP, snapshot, volume

V, S = VolumeId.of_name("v"), SnapshotId.of_name("s")


class LatePool(IndexedPool):
    """Its index learns of what is there only when it catches up."""

    def __init__(self) -> None:
        self._index = Index()

    def _settle(self) -> None:
        self._index.put_volume(volume("v"))
        self._index.put_snapshot(snapshot("s", group=GROUP))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (lambda pool: pool.volume(V), volume("v")),
        (lambda pool: pool.volumes(), [volume("v")]),
        (lambda pool: pool.snapshot(S), snapshot("s", group=GROUP)),
        (lambda pool: pool.snapshots(), [snapshot("s", group=GROUP)]),
        (lambda pool: pool.snapshots_of(V), [snapshot("s", group=GROUP)]),
        (lambda pool: pool.group(GROUP.id), [snapshot("s", group=GROUP)]),
    ],
    ids=["volume", "volumes", "snapshot", "snapshots", "snapshots of", "group"],
)
def test_a_pool_catches_up_before_it_answers(question: Callable[[IndexedPool], object], answer: object) -> None:
    assert question(LatePool()) == answer
