"""The power goes while clients are at work: at every flush of the disk, and for a disk that lies."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rokcsi.pools.admitting import Limits
from rokcsi.pools.opening import served
from rokcsi.system.locks import KeyedLocks
from tests.fakes.thin_pools import sparse_disk
from tests.system.power_cuts.disk import SIZE, flaky_disk, logged_disk
from tests.system.power_cuts.history import Deed, Expected, History, expected_at
from tests.system.power_cuts.scribbler import Scribbler
from tests.system.power_cuts.stores import STORES, Store
from tests.system.power_cuts.storm import Client, storm
from tests.system.power_cuts.witness import findings
from tests.system.power_cuts.write_log import Kind, LoggedRequest, Replay, read_log

pytestmark = [pytest.mark.lab, pytest.mark.slow]

POINTS = int(os.environ.get("ROKCSI_POWER_CUTS", "5"))
SEED = int(os.environ.get("ROKCSI_POWER_CUT_SEED", "1"))
CLIENTS, DEEDS, CUTS = 3, 14, 2
ROOMY = Limits(overcommit=1000.0, data_limit=0.99, metadata_limit=0.99)


Weather = Callable[[Store, Path, History, threading.Event], None]


@dataclass
class Recording:
    """A storm that is over: what the clients did, the log of the disk's writes, and where in it the marks stand."""

    deeds: Sequence[Deed]
    log: Path
    requests: Sequence[LoggedRequest]
    marks: Mapping[str, int]

    def points(self, count: int) -> list[int]:
        """Choose so many moments, while the clients were at work, at which the power may go.

        One half come just after the pool has answered, so that what is not flushed then is lost;
        the others just after a flush of the disk.
        """
        first = min(self.marks.values())
        flushed = [at for at, request in enumerate(self.requests) if request.is_point and at > first]
        chance = random.Random(SEED)
        return sorted({*chance.sample(self.answers(), count - count // 2), *chance.sample(flushed, count // 2)})

    def answers(self) -> list[int]:
        """Give the moments at which the pool had answered."""
        return [self.marks[deed.told] for deed in self.deeds if deed.kind not in {"write", "scribble"}]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)


def calm(store: Store, node: Path, history: History, stop: threading.Event) -> None:
    """Let one client loose, for which nobody else flushes; the pool is left as a kill leaves it."""
    store.lay(node)
    try:
        storm([Client("alone", served(store.open(node), ROOMY, KeyedLocks()), history, SEED)], DEEDS, stop)
    finally:
        store.let_go(node)


def weather(store: Store, node: Path, history: History, stop: threading.Event) -> None:
    """Let the clients loose on a new pool on a disk; the pool is left as a kill leaves it."""
    store.lay(node)
    try:
        pool = served(store.open(node), ROOMY, KeyedLocks())
        scribbler, scribbled = Scribbler(pool, history), threading.Event()
        scribbler.begin()
        writer = threading.Thread(target=scribbler.scribble, args=(scribbled,))
        writer.start()
        try:
            for cut in range(CUTS):
                clients = [Client(f"{cut}{number}", pool, history, SEED) for number in range(CLIENTS)]
                storm(clients, DEEDS // CUTS, stop)
                scribbler.cut(cut)
        finally:
            scribbled.set()
            writer.join()
        scribbler.raise_failure()
    finally:
        store.let_go(node)


@contextmanager
def recorded(store: Store, folder: Path, played: Weather = weather) -> Iterator[Recording]:
    """Record what clients do; the log is there for the block."""
    with logged_disk(folder) as (disk, log):
        history = History(disk.mark)
        played(store, disk.node, history, threading.Event())
        disk.close()
        requests = read_log(log)
        marks = {request.text: at for at, request in enumerate(requests) if request.kind & Kind.MARK}
        yield Recording(history.deeds, log, requests, marks)


def looked_at(store: Store, node: Path, expected: Expected) -> list[str]:
    """Open the pool that a power cut has left on a disk, and give everything that is not as it has to be."""
    try:
        strict = store.open(node)
        found = findings(served(strict, ROOMY, KeyedLocks()), expected, store.read)
        found += [f"{stray} belongs to nothing" for stray in store.strays(strict)]
    finally:
        store.let_go(node)
    store.check(node)
    return found


def after_each_cut(store: Store, recording: Recording, folder: Path, points: Sequence[int]) -> Iterator[list[str]]:
    """Let the power go at each of these moments, and give what is wrong then."""
    replay = Replay(recording.log, recording.requests, folder / "replayed", SIZE)
    try:
        for point in points:
            replay.forward_to(point)
            expected = expected_at(recording.deeds, recording.marks, point, point)
            with copied(folder / "replayed", folder / "found") as node:
                yield [f"at {point}: {wrong}" for wrong in looked_at(store, node, expected)]
    finally:
        replay.close()


@contextmanager
def copied(file: Path, copy: Path) -> Iterator[Path]:
    """Give a disk that is a copy of a file, and is gone afterwards."""
    with sparse_disk(copy, SIZE) as node:
        with file.open("rb") as source, node.open("r+b") as target:
            _copy_sparsely(source.fileno(), target.fileno())
        yield node


def _copy_sparsely(source: int, target: int) -> None:
    at = 0
    while at < SIZE:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(source, start, os.SEEK_HOLE)
        for begin in range(start, at, 1 << 20):
            os.pwrite(target, os.pread(source, min(1 << 20, at - begin), begin), begin)
    os.fsync(target)


def test_all_that_was_acknowledged_is_there_after_a_power_cut_at_any_moment_and_nothing_leaks(
    store: Store, tmp_path: Path
) -> None:
    with recorded(store, tmp_path) as recording:
        for wrong in after_each_cut(store, recording, tmp_path, recording.points(POINTS)):
            assert wrong == []


def test_a_driver_without_its_flush_is_caught(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        store.remove_flush(patch)
        with recorded(store, tmp_path, calm) as recording:
            patch.undo()
            # The power goes just after each answer, until something is wrong.
            assert any(after_each_cut(store, recording, tmp_path, sorted(recording.answers())))


def test_a_disk_that_loses_all_writes_from_some_moment_on_has_all_that_was_acknowledged_before(
    store: Store, tmp_path: Path
) -> None:
    with flaky_disk(tmp_path) as (disk, below):
        moments = Moments(lambda: disk.lose_all_writes(below), after=CLIENTS * DEEDS)
        history = History(moments.note)
        try:
            weather(store, disk.node, history, moments.lost)
        except Exception:
            # From that moment on the pool reads what it never wrote.
            if not moments.lost.is_set():
                raise
        disk.close()
        expected = expected_at(history.deeds, moments.of, moments.of["going"], moments.of["gone"])
        assert looked_at(store, below, expected) == []


class Moments:
    """The order in which things happened; after so many of them the disk loses what is written to it."""

    def __init__(self, lose: Callable[[], None], after: int) -> None:
        self.of: dict[str, int] = {}
        self.lost = threading.Event()
        self._lose = lose
        self._after = after
        self._mutex = threading.Lock()

    def note(self, text: str) -> None:
        """Note that something happens now."""
        with self._mutex:
            self.of[text] = len(self.of)
            its_turn = len(self.of) == self._after
            if its_turn:
                self.of["going"] = len(self.of)
        if its_turn:
            self.lost.set()
            self._lose()
            with self._mutex:
                self.of["gone"] = len(self.of)
