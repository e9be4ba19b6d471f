"""What every pool promises to many callers at once, as it is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import pytest

from rokcsi.model.errors import Conflict, NotFound
from rokcsi.model.ids import VolumeId
from rokcsi.model.snapshot import NewSnapshot
from tests.contract.harness import TestedPool
from tests.fakes.pool_records import MIB, new_clone, new_group, new_volume

T = TypeVar("T")
PATIENCE = 900.0  # a command of a real store takes a third of a second in a guest that shares its processor


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def at_once(threads: ThreadPoolExecutor, call: Callable[[int], T], times: int) -> list[T]:
    return list(threads.map(call, range(times), timeout=PATIENCE))


@pytest.mark.slow
def test_a_hundred_clones_of_one_snapshot_at_once(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    tested.write(volume.id, 4096, b"the same for everybody" * 1000)
    digest = tested.digest(volume.id)
    [snapshot] = tested.snapshot("s", volume.id)
    at_once(threads, lambda n: tested.pool.clone_snapshot(snapshot.id, new_clone(f"c{n}", snapshot)), 100)
    clones = [each for each in tested.pool.volumes() if each.id != volume.id]
    assert len(clones) == 100
    assert {tested.digest(clone.id) for clone in clones} == {digest}
    tested.restart()
    assert len(tested.pool.volumes()) == 101


def test_duplicates_at_once_make_one_volume(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    made = at_once(threads, lambda _: tested.pool.create_volume(new_volume("a")), 32)
    assert all(volume == made[0] for volume in made)
    assert list(tested.pool.volumes()) == made[:1]
    assert tested.strays() == []


def test_duplicates_at_once_make_one_clone(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    volume = tested.pool.create_volume(new_volume("a"))
    [snapshot] = tested.snapshot("s", volume.id)
    made = at_once(threads, lambda _: tested.pool.clone_snapshot(snapshot.id, new_clone("c", snapshot)), 32)
    assert all(clone == made[0] for clone in made)
    assert len(tested.pool.volumes()) == 2


def test_duplicates_at_once_make_one_group(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    volumes = [tested.pool.create_volume(new_volume(name)) for name in "abc"]
    made = at_once(threads, lambda _: list(tested.pool.take_snapshots(new_group("g", volumes))), 16)
    assert all(cut == made[0] for cut in made)
    assert len(tested.pool.snapshots()) == 3


def test_of_two_wishes_for_one_name_one_is_granted(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    def wish(mebibytes: int) -> int | None:
        try:
            return tested.pool.create_volume(new_volume("a", mebibytes)).size
        except Conflict:
            return None

    answers = at_once(threads, lambda n: wish(1 + n % 2), 16)
    [volume] = tested.pool.volumes()
    assert set(answers) == {volume.size, None}


def test_groups_that_share_members_do_not_disturb_each_other(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    volumes = [tested.pool.create_volume(new_volume(name)) for name in "abcd"]
    orders = [volumes, volumes[::-1], volumes[:2], volumes[2:], volumes[1:3]]
    at_once(threads, lambda n: tested.pool.take_snapshots(new_group(f"g{n}", orders[n % 5])), 20)
    assert len(tested.pool.snapshots()) == 4 * (4 + 4 + 2 + 2 + 2)
    assert tested.strays() == []


@pytest.mark.slow
def test_a_storm_of_everything_leaves_what_can_be_explained(tested: TestedPool, threads: ThreadPoolExecutor) -> None:
    """Create, cut, clone and delete the same few names from all sides; then look at what is left."""

    def work(seed: int) -> None:
        name = f"v{seed % 5}"
        id = VolumeId.of_name(name)  # noqa: A001 - the domain's word
        with suppress(NotFound, Conflict):
            tested.pool.create_volume(new_volume(name))
            [snapshot] = tested.pool.take_snapshots([NewSnapshot(f"s{seed % 7} of {name}", id)])
            tested.pool.clone_snapshot(snapshot.id, new_clone(f"c{seed % 11} of {snapshot.name}", snapshot))
            if seed % 3 == 0:
                tested.pool.delete_volume(id)
            if seed % 4 == 0:
                tested.pool.delete_snapshots([snapshot.id])

    at_once(threads, work, 120)
    volumes, snapshots = list(tested.pool.volumes()), list(tested.pool.snapshots())
    assert tested.strays() == []
    tested.restart()
    assert (list(tested.pool.volumes()), list(tested.pool.snapshots())) == (volumes, snapshots)
    assert {tested.digest(volume.id) for volume in volumes} <= {tested.digest(volumes[0].id)}
    assert all(volume.size == MIB for volume in volumes)
