"""The pool as the driver opens it: what was started for it ends with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rokcsi.config.settings import ServeSettings
from rokcsi.model.errors import Damaged
from rokcsi.system.crew import Crew
from rokcsi.system.freezing import Freezer
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.mounts import MountTable
from rokcsi.wiring.opening import PoolWithFreezer, open_pool
from tests.fakes.loop_file_pools import IMAGE_SIZE, loop_file_pools

pytestmark = pytest.mark.system


def settings(pool: Path) -> ServeSettings:
    return ServeSettings(
        endpoint=f"unix://{pool}/csi.sock",
        pool=f"loopfile:{pool}",
        node_id="here",
        driver_name="rokcsi.test",
        topology_key="rokcsi.test/node",
        metrics=None,
        target_roots=(str(pool),),
        overcommit=1.0,
        data_limit=0.85,
        metadata_limit=0.7,
        image_size=int(IMAGE_SIZE),
        max_workers=8,
        records=str(pool),
        trim=True,
        log_level="info",
        log_format="text",
    )


def has_ended(crew: Crew) -> bool:
    nothing: list[Callable[[], None]] = [lambda: None, lambda: None]
    try:
        crew.run(nothing)
    except RuntimeError:
        return True
    return False


def test_the_freezer_ends_with_the_pool_it_was_made_for(tmp_path: Path) -> None:
    with loop_file_pools(tmp_path) as pools:
        pool = open_pool(settings(pools.place), pools.table, KeyedLocks())
        assert isinstance(pool, PoolWithFreezer)
        assert not has_ended(pool._freezer.crew)
        pool.close()
        assert has_ended(pool._freezer.crew)


def test_the_freezer_ends_when_the_pool_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Freezer] = []

    def freezer(table: MountTable) -> Freezer:
        made.append(Freezer(table))
        return made[0]

    monkeypatch.setattr("rokcsi.wiring.opening.Freezer", freezer)
    with loop_file_pools(tmp_path) as pools:
        pools.place.mkdir()
        (pools.place / "pool.json").write_text("{")
        with pytest.raises(Damaged):
            open_pool(settings(pools.place), pools.table, KeyedLocks())
    assert has_ended(made[0].crew)
