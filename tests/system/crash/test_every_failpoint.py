"""SIGKILL at every named boundary: after a restart the same call gives the same answer, and nothing leaks.

A story is long, so that a driver is killed in it as often as possible: whoever starts after a kill is to die at the next
place.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

import rokcsi.wiring.serve_all  # noqa: F401 - importing the driver declares all its failpoints
from rokcsi.csi.proto import csi_pb2
from rokcsi.model.pool import Pool
from rokcsi.pools.specification import PoolSpecification
from rokcsi.system import failpoints
from rokcsi.wiring.technologies import technology
from sanity.workplace import pool_for
from tests.fakes.loop_file_pools import LoopFilePools
from tests.fakes.pool_witness import held_in
from tests.system.crash.elsewhere import elsewhere
from tests.system.crash.itinerary import Itinerary
from tests.system.crash.served import ServedDriver
from tests.system.crash.story import Calls, Story

pytestmark = pytest.mark.system
KIND = PoolSpecification.parse(pool_for(Path("/tmp"))).kind
technology(KIND)  # and importing the pool under test declares its own


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line.split()[4] for line in lines]
    return [target for target in found if target.startswith(f"{folder}/")]


def loops_below(folder: Path) -> list[str]:
    table = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True, text=True, check=True
    )
    return [line for line in table.stdout.splitlines() if str(folder) in line]


CHANGES = {
    "create_volume": "create",
    "clone_snapshot": "clone",
    "grow_volume": "grow",
    "delete_volume": "delete",
    "attach": "attach",
    "detach": "detach",
    "take_snapshots": "cut",
    "delete_snapshots": "delete-snapshots",
    "label_volume": "describe",
    "label_snapshot": "describe",
    "mark_formatted": "describe",
}
"""What each changing operation of a pool is called in the names of its failpoints."""
QUESTIONS = {"id", "name", "traits", "capacity", "volume", "volumes", "snapshot", "snapshots", "snapshots_of", "group"}
QUESTIONS |= {"attached", "holding", "footprint", "close"}

CHANGING_CALLS = {
    "CreateVolume": ("create", "clone", "volume.copy"),
    "DeleteVolume": ("delete",),
    "ControllerExpandVolume": ("grow",),
    "ControllerModifyVolume": ("describe",),
    "CreateSnapshot": ("cut", "describe"),
    "DeleteSnapshot": ("delete-snapshots",),
    "CreateVolumeGroupSnapshot": ("cut",),
    "DeleteVolumeGroupSnapshot": ("delete-snapshots",),
    "NodeStageVolume": ("attach", "node.stage"),
    "NodeUnstageVolume": ("detach", "node.unstage"),
    "NodePublishVolume": ("node.publish",),
    "NodeUnpublishVolume": ("node.unpublish",),
    "NodeExpandVolume": ("node.expand",),
}
"""Where the failpoints of each changing call are: operations of the pool, or rooms of the driver."""
NOT_OFFERED = {"ControllerPublishVolume", "ControllerUnpublishVolume"}
ASKING = re.compile(r"(Node|Controller|GroupController)?(Get|List|Probe|Validate)\w*|ControllerGetVolume")


def names_to_visit() -> list[str]:
    """Give the names that the driver under test can reach: not the local cluster's, not those of other kinds of pool."""
    others = {"local", "loopfile", "lvm", "lvm-direct", "zfs"} - {KIND}
    names = [name for name in failpoints.declared() if name.partition(".")[0] not in others]
    return [name for name in names if name not in elsewhere(KIND)]


@pytest.mark.timeout(1200)  # all the stories there are
def test_a_driver_killed_anywhere_gives_the_same_answer_after_a_restart_and_leaks_nothing(tmp_path: Path) -> None:
    itinerary = Itinerary(names_to_visit())
    stories = (tmp_path / str(number) for number in count())
    while itinerary.unvisited:
        before = itinerary.unvisited
        with driven(next(stories)) as driver:
            play(Story(driver.folder), driver, itinerary)
        assert itinerary.unvisited < before, f"no call of the story passes {itinerary.here}: the failpoint is dead"


@contextmanager
def driven(folder: Path) -> Iterator[ServedDriver]:
    """Give a driver that is not started yet; whatever happens, nothing of it is left afterwards."""
    folder.mkdir()
    driver = ServedDriver(folder)
    try:
        yield driver
    finally:
        driver.stop()
        LoopFilePools(folder).close()


def play(story: Story, driver: ServedDriver, itinerary: Itinerary) -> None:
    """Tell a whole story with a driver that is killed again and again, and look for what is left at its end."""
    itinerary.begin()
    revived(driver, itinerary)
    for name, call in story.steps():
        story.answers[name] = answer(name, call, driver, itinerary)
    assert held_in(driver.pool) == {"volumes": 0, "snapshots": 0}
    assert mounts_below(story.folder / "staging") == mounts_below(story.folder / "pods") == []
    driver.stop()
    assert [line for line in loops_below(story.folder) if "pool.xfs" not in line] == []


def revived(driver: ServedDriver, itinerary: Itinerary) -> None:
    """Start the driver with the next failpoint armed, and again as often as its start passes that."""
    driver.start(failpoint=itinerary.here)
    while driver.is_dead():
        assert driver.was_killed(), driver.log()[-3000:]
        itinerary.leave()
        driver.start(failpoint=itinerary.here)


def answer(name: str, call: Callable[[Calls], Any], driver: ServedDriver, itinerary: Itinerary) -> Any:
    """Make a call until it is answered; if the driver was killed by it, until it has given the same answer twice."""
    needed, answers = 1, list[Any]()
    while len(answers) < needed:
        try:
            answers.append(call(driver.calls))
        except grpc.RpcError:
            assert driver.was_killed(), f"{name} failed without a crash:\n{driver.log()[-3000:]}"
            needed = 2
            itinerary.leave()
            revived(driver, itinerary)
    assert answers[0] == answers[-1], f"{name} answered differently the second time"
    return answers[0]


def _has_failpoints(room: str) -> bool:
    """Tell whether a room of the driver, or an operation of the pool under test, has failpoints."""
    prefix = f"{room}." if "." in room else f"{KIND}.{room}."
    return any(name.startswith(prefix) for name in failpoints.declared())


def test_there_are_failpoints_in_every_changing_operation_of_a_pool() -> None:
    operations = {name for name in vars(Pool) if not name.startswith("_")}
    assert operations == CHANGES.keys() | QUESTIONS
    assert [name for name, room in CHANGES.items() if not _has_failpoints(room)] == []


def test_there_are_failpoints_in_every_changing_call() -> None:
    services = csi_pb2.DESCRIPTOR.services_by_name
    calls = {call.name for name in ("Controller", "GroupController", "Node") for call in services[name].methods}
    offered = {call for call in calls if call in CHANGING_CALLS or not ASKING.fullmatch(call)} - NOT_OFFERED
    assert offered == CHANGING_CALLS.keys()
    assert [call for call, rooms in CHANGING_CALLS.items() if not all(map(_has_failpoints, rooms))] == []
