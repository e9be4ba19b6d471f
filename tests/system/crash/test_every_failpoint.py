"""SIGKILL at every named boundary: after a restart the same call gives the same answer, and nothing leaks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
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
from tests.system.crash.served import ServedDriver
from tests.system.crash.story import Story

pytestmark = pytest.mark.system
KIND = PoolSpecification.parse(pool_for(Path("/tmp"))).kind
technology(KIND)  # and importing the pool under test declares its own


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[ServedDriver]:
    served = ServedDriver(tmp_path)
    yield served
    served.stop()
    LoopFilePools(tmp_path).close()


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [line.split()[4] for line in lines]
    return [target for target in found if target.startswith(f"{folder}/")]


def loops_below(folder: Path) -> list[str]:
    table = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True, text=True, check=True
    )
    return [line for line in table.stdout.splitlines() if str(folder) in line]


def told(driver: ServedDriver, story: Story, name: str, call: Any, *, restart_to: str) -> bool:
    """Make one call; where the driver is killed by it, start it again and repeat the call twice. Tell whether it was."""
    try:
        story.answers[name] = call(driver.calls)
    except grpc.RpcError:
        assert driver.was_killed(), f"{name} failed without a crash:\n{driver.log()[-3000:]}"
        if restart_to in AFTER_A_CRASH:
            driver.start(failpoint=restart_to)
            assert driver.is_dead(), f"no start passes {restart_to}: the failpoint is dead"
        driver.start()
        first = call(driver.calls)
        assert call(driver.calls) == first, f"{name} answered differently the second time"
        story.answers[name] = first
        return True
    return False


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


AFTER_A_CRASH = {
    "loopfile.reconcile.discarded": "loopfile.cut.named:4",
    "lvm.reconcile.discarded": "lvm.cut.group-made",
}
"""Places passed only by a start that finds what an earlier crash, here at the first name of the group, has left."""


@pytest.mark.parametrize("name", names_to_visit())
def test_a_driver_killed_here_gives_the_same_answer_after_a_restart_and_leaks_nothing(
    driver: ServedDriver, tmp_path: Path, name: str
) -> None:
    driver.start(failpoint=AFTER_A_CRASH.get(name, name))
    killed = [driver.is_dead()]
    if driver.is_dead():
        assert driver.was_killed(), driver.log()[-3000:]
        driver.start()
    story = Story(tmp_path)
    killed += [told(driver, story, step, call, restart_to=name) for step, call in story.steps()]

    assert any(killed), f"no call of the story passes {name}: the failpoint is dead"
    assert held_in(driver.pool) == {"volumes": 0, "snapshots": 0}
    assert mounts_below(tmp_path / "staging") == mounts_below(tmp_path / "pods") == []
    driver.stop()
    assert [line for line in loops_below(tmp_path) if "pool.xfs" not in line] == []


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
