"""Who is asked at the doors of a node, how often, and what follows when nobody answers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rokcsi.model.consent import CHECKPOINT_POLICY
from rokcsi.model.deadline import Deadline, deadline
from rokcsi.model.doorkeeper import Passage, Side
from rokcsi.model.errors import Busy, CheckpointFailed, TimelineAway
from rokcsi.model.node import PublishRequest
from rokcsi.pools.memory import MemoryPool
from rokcsi.volumes.doors import LEFT_ALONE_SECONDS, AskingDoors, DoorRules, FailurePolicy
from tests.fakes.doorkeepers import ScriptedDoorkeeper, facts
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import MOUNTED, SHARED, NodeHouse

FAIL = DoorRules(policy=FailurePolicy.FAIL)


@pytest.fixture
def keeper() -> ScriptedDoorkeeper:
    return ScriptedDoorkeeper()


def test_each_side_of_a_visit_is_asked_once(keeper: ScriptedDoorkeeper) -> None:
    doors = AskingDoors(keeper, DoorRules())
    for volume in ("a", "b", "a"):
        doors.pass_in(facts(), volume, wanted=True)
    for volume in ("a", "b"):
        doors.pass_out(facts(), volume, wanted=True)
    doors.pass_in(facts("uid-2"), "a", wanted=True)
    assert keeper.sides() == ["uid-1 before", "uid-1 after", "uid-2 before"]
    assert keeper.passages[0].volume == "a"


def test_a_pod_that_has_gone_is_forgotten(keeper: ScriptedDoorkeeper) -> None:
    doors = AskingDoors(keeper, DoorRules())
    doors.pass_in(facts(), "a", wanted=True)
    doors.gone(facts())
    doors.pass_in(facts(), "a", wanted=True)
    assert keeper.sides() == ["uid-1 before"] * 2


def test_calls_that_come_together_wait_for_the_one_answer(keeper: ScriptedDoorkeeper) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slowly(passage: Passage) -> None:
        del passage
        asked.set()
        assert answer.wait(10)

    keeper.meanwhile = slowly
    doors = AskingDoors(keeper, DoorRules())
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(doors.pass_in, facts(), volume, wanted=True) for volume in "abc"]
        assert asked.wait(10)
        assert not any(call.done() for call in calls)
        answer.set()
        for call in calls:
            call.result(10)
    assert len(keeper.passages) == 1


def test_a_pod_that_kubelet_does_not_name_is_not_asked_for(keeper: ScriptedDoorkeeper) -> None:
    doors = AskingDoors(keeper, DoorRules())
    doors.pass_in({}, "a", wanted=True)
    doors.pass_in({**facts(), "csi.storage.k8s.io/pod.uid": ""}, "a", wanted=True)
    doors.gone({})
    assert not keeper.passages


@pytest.mark.parametrize("error", [TimelineAway("silent"), CheckpointFailed("no room")])
def test_by_default_a_pod_goes_on_without_its_checkpoint_and_nobody_is_asked_again(
    keeper: ScriptedDoorkeeper, error: Exception
) -> None:
    keeper.errors = [error]
    doors = AskingDoors(keeper, DoorRules())
    doors.pass_in(facts(), "a", wanted=True)
    doors.pass_in(facts(), "b", wanted=True)
    assert len(keeper.passages) == 1


@pytest.mark.parametrize("error", [TimelineAway("silent"), CheckpointFailed("no room")])
def test_where_the_policy_is_to_fail_the_pod_waits_and_the_next_try_asks_again(
    keeper: ScriptedDoorkeeper, error: Exception
) -> None:
    keeper.errors = [error]
    doors = AskingDoors(keeper, FAIL)
    with pytest.raises(type(error)):
        doors.pass_in(facts(), "a", wanted=True)
    doors.pass_in(facts(), "a", wanted=True)
    assert len(keeper.passages) == 2


def test_a_timeline_that_is_away_delays_others_by_one_try_in_some_seconds(keeper: ScriptedDoorkeeper) -> None:
    now = [100.0]
    keeper.errors = [TimelineAway("away")] * 2
    doors = AskingDoors(keeper, FAIL, clock=lambda: now[0])
    for uid in ("uid-1", "uid-2", "uid-1"):
        doors.pass_in(facts(uid), "a", wanted=False)
    assert keeper.sides() == ["uid-1 before"]
    assert keeper.patience == [(10.0, False)]
    now[0] += LEFT_ALONE_SECONDS
    doors.pass_in(facts("uid-2"), "a", wanted=False)
    assert keeper.sides() == ["uid-1 before", "uid-2 before"]


def test_a_volume_that_wants_checkpoints_asks_although_another_of_the_pod_was_let_in_without(
    keeper: ScriptedDoorkeeper,
) -> None:
    keeper.errors = [TimelineAway("away")]
    doors = AskingDoors(keeper, DoorRules(seconds=7.0))
    doors.pass_in(facts(), "plain", wanted=False)
    doors.pass_in(facts(), "steps", wanted=True)
    assert keeper.patience == [(7.0, False), (7.0, True)]


def test_nobody_waits_longer_than_the_call_may_take(keeper: ScriptedDoorkeeper) -> None:
    doors = AskingDoors(keeper, DoorRules())
    with deadline(Deadline(time.monotonic() + 3.0)):
        doors.pass_in(facts(), "a", wanted=True)
    assert 0 < keeper.patience[0][0] <= 3.0


def test_only_so_many_pods_wait_at_once(keeper: ScriptedDoorkeeper) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slowly(passage: Passage) -> None:
        del passage
        asked.set()
        assert answer.wait(10)

    keeper.meanwhile = slowly
    doors = AskingDoors(keeper, DoorRules(most_waiting=1))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(doors.pass_in, facts("uid-1"), "a", wanted=True)
        assert asked.wait(10)
        with pytest.raises(Busy):
            doors.pass_in(facts("uid-2"), "a", wanted=True)
        answer.set()
        first.result(10)


@pytest.fixture
def house(tmp_path: Path, keeper: ScriptedDoorkeeper) -> NodeHouse:
    for name in ("kubelet", "pool"):
        (tmp_path / name).mkdir()
    doors = AskingDoors(keeper, FAIL)
    return NodeHouse(
        MemoryPool(tmp_path / "pool"), MemoryMounter(), tmp_path / "kubelet", tmp_path / "records", doors=doors
    )


def publish(house: NodeHouse, volume: str, at: str, uid: str = "uid-1") -> None:
    pod = tuple(facts(uid).items())
    house.node.publish(PublishRequest(volume, house.at(f"staging-{volume}"), house.at(at), SHARED, False, pod))


def two_staged(house: NodeHouse) -> tuple[str, str]:
    volumes = house.volume("a"), house.volume("b")
    for volume in volumes:
        house.stage(volume, f"staging-{volume}", SHARED)
    return volumes


def test_a_visit_of_two_volumes_asks_twice_whatever_is_repeated(house: NodeHouse, keeper: ScriptedDoorkeeper) -> None:
    first, second = two_staged(house)
    for _ in range(2):
        publish(house, first, "pod/a")
        publish(house, second, "pod/b")
    for _ in range(2):
        house.unpublish(first, "pod/a")
        house.unpublish(second, "pod/b")
    assert keeper.sides() == ["uid-1 before", "uid-1 after"]
    publish(house, first, "pod/a")
    assert len(keeper.passages) == 3  # it had gone


def test_the_pod_of_an_unpublish_is_known_after_a_restart(house: NodeHouse, keeper: ScriptedDoorkeeper) -> None:
    first, second = two_staged(house)
    publish(house, first, "pod/a")
    publish(house, second, "pod/b")
    house.doors = AskingDoors(keeper, FAIL)
    house.restart()
    publish(house, first, "pod/a")
    house.unpublish(second, "pod/b")
    assert keeper.sides() == ["uid-1 before", "uid-1 after"]
    assert keeper.passages[1].pod.name == "train-0"
    assert keeper.passages[1].pod.service_account == "default-editor"


def test_a_volume_whose_class_asks_for_checkpoints_is_waited_for(house: NodeHouse, keeper: ScriptedDoorkeeper) -> None:
    first, second = two_staged(house)
    house.pool.label_volume(house.id_of(first), {CHECKPOINT_POLICY: "steps"})
    keeper.errors = [TimelineAway("away")]
    publish(house, second, "pod/b")
    assert house.mounter.mounted(house.at("pod/b"))
    keeper.errors = [TimelineAway("away")]
    with pytest.raises(TimelineAway):
        publish(house, first, "pod/a")
    assert not house.mounter.mounted(house.at("pod/a"))
    assert [patient for _, patient in keeper.patience] == [False, True]


def test_a_pod_that_may_not_leave_yet_keeps_its_mounts(house: NodeHouse, keeper: ScriptedDoorkeeper) -> None:
    first, _ = two_staged(house)
    house.pool.label_volume(house.id_of(first), {CHECKPOINT_POLICY: "steps"})
    publish(house, first, "pod/a")
    keeper.errors = [TimelineAway("away")]
    with pytest.raises(TimelineAway):
        house.unpublish(first, "pod/a")
    assert house.mounter.mounted(house.at("pod/a"))
    house.unpublish(first, "pod/a")
    assert not house.mounter.mounted(house.at("pod/a"))


def test_a_volume_that_is_cut_for_the_answer_is_not_locked_by_the_question(
    house: NodeHouse, keeper: ScriptedDoorkeeper
) -> None:
    first, _ = two_staged(house)

    def cut(passage: Passage) -> None:
        with house.node.unused(house.id_of(house.volume("free"))):
            assert house.id_of(passage.volume)
        house.node.publish(PublishRequest(first, house.at(f"staging-{first}"), house.at("other"), SHARED, False))

    keeper.meanwhile = cut
    publish(house, first, "pod/a")
    assert house.mounter.mounted(house.at("other"))


def test_without_doors_nothing_is_looked_up_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kubelet", "pool"):
        (tmp_path / name).mkdir()
    house = NodeHouse(MemoryPool(tmp_path / "pool"), MemoryMounter(), tmp_path / "kubelet", tmp_path / "records")
    volume = house.volume()
    house.stage(volume)
    looked: list[str] = []
    monkeypatch.setattr(MemoryPool, "volume", lambda *_: looked.append("volume"))
    house.publish(volume, access=MOUNTED)
    house.unpublish(volume)
    assert not looked


class RememberedWaits:
    def __init__(self) -> None:
        self.waits: list[tuple[Side, float, bool]] = []

    def waited(self, side: Side, seconds: float, *, answered: bool) -> None:
        self.waits.append((side, seconds, answered))


def test_every_wait_for_the_timeline_is_counted_answered_or_not(keeper: ScriptedDoorkeeper) -> None:
    waits, now = RememberedWaits(), [0.0]

    def takes_time(passage: Passage) -> None:
        now[0] += 2.5
        if passage.side is Side.AFTER:
            raise TimelineAway("away")

    keeper.meanwhile = takes_time
    doors = AskingDoors(keeper, DoorRules(), lambda: now[0], waits)
    doors.pass_in(facts(), "a", wanted=True)
    doors.pass_in(facts(), "b", wanted=True)
    doors.pass_out(facts(), "a", wanted=True)
    assert waits.waits == [(Side.BEFORE, 2.5, True), (Side.AFTER, 2.5, False)]
