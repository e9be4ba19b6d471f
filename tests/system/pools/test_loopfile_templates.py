"""Templates while many calls want them: made once, waited for no longer than a call may, never pulled away."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.errors import Busy, LockTimeout
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import NewVolume
from rokcsi.pools.loopfile import LoopFilePool
from rokcsi.system.command import Completed, HostRunner
from rokcsi.system.locks import KeyedLocks
from tests.fakes.loop_file_pools import IMAGE_SIZE, LoopFilePools

pytestmark = pytest.mark.system

MIB = 1 << 20
SIZE = Bytes(32 * MIB)


class GatedRunner(HostRunner):
    """Runs a program when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = threading.Event(), threading.Event()
        self.runs = 0

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        """Wait for the gate, a minute at most."""
        self.runs += 1
        self.asked.set()
        assert self.gate.wait(60)
        return super().run(argv, timeout_seconds=timeout_seconds, accepted_statuses=accepted_statuses)


def wanted(pool: LoopFilePool, name: str, seconds: float) -> None:
    with deadline(Deadline(time.monotonic() + seconds)):
        pool.create_volume(NewVolume(name, SIZE, "ext4"))


def test_who_waits_for_a_template_waits_no_longer_than_his_deadline_and_as_one_of_few(pools: LoopFilePools) -> None:
    locks, runner = KeyedLocks(2), GatedRunner()
    pool = LoopFilePool.open(pools.place, freezer=pools.freezer, image_size=IMAGE_SIZE, locks=locks)
    pool._files._templates._runner = runner
    with ThreadPoolExecutor(4) as threads:
        maker = threads.submit(wanted, pool, "maker", 60)
        assert runner.asked.wait(60)
        with pytest.raises(LockTimeout):
            wanted(pool, "hurried", 0.1)
        patient = [threads.submit(wanted, pool, f"patient {number}", 60) for number in range(2)]
        until = time.monotonic() + 10
        while locks.waiting < 2 and time.monotonic() < until:
            time.sleep(0.01)
        try:
            with pytest.raises(Busy, match="wait for others"):
                wanted(pool, "one too many", 5)
        finally:
            runner.gate.set()
        for ended in (maker, *patient):
            ended.result(60)
    assert runner.runs == 1
    assert sorted(volume.name for volume in pool.volumes()) == ["maker", "patient 0", "patient 1"]


def test_a_template_that_gives_way_while_it_is_wanted_fails_nobody(pool: LoopFilePool) -> None:
    templates = pool._files._templates
    templates._most = 1

    def open_and_read(number: int) -> None:
        for step in range(12):
            with templates.opened("ext4", Bytes((32 + (number + step) % 3) * MIB)):
                pass

    with ThreadPoolExecutor(6) as threads:
        for ended in [threads.submit(open_and_read, number) for number in range(6)]:
            ended.result(120)
    assert len(list(pool._disk.templates.iterdir())) <= 3
