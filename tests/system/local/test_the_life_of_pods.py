"""Processes and mounts of pods on this very machine, over bind mounts of the fake driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.cluster import PodPhase
from rokcsi.model.errors import StillInUse
from rokcsi.system.mounts import read_mountinfo
from tests.fakes.local_cluster import LocalWorld, claim, pod

TRAP = "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def ready(cluster: LocalCluster) -> LocalCluster:
    cluster.create_claim(claim("work"))
    return cluster


def eventually(true: Callable[[], object], within_seconds: float = 20.0) -> None:
    until = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


def mounted_below(folder: Path) -> list[Path]:
    return [entry.point for entry in read_mountinfo() if folder in entry.point.parents]


def log_of(cluster: LocalCluster, name: str) -> str:
    log = cluster.pod(name).log
    return "" if log is None else log.read_text()


def supervisor_of(cluster: LocalCluster, name: str) -> int:
    record = cluster._pods._shelf.read(name)
    assert record is not None
    assert record.process is not None
    return record.process.pid


def test_two_pods_share_one_claim_at_once(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("one", "sh", "-c", "echo hello > from-one; while [ ! -e from-two ]; do sleep 0.05; done"))
    ready.start_pod(
        pod("two", "sh", "-c", "while [ ! -e from-one ]; do sleep 0.05; done; cat from-one; echo > from-two")
    )
    assert ready.wait_pod("two", timeout_seconds=30).exit_status == 0
    assert ready.wait_pod("one", timeout_seconds=30).exit_status == 0
    assert mounted_below(world.home) == []


def test_what_it_prints_can_be_read_while_it_runs(ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "sh", "-c", TRAP))
    eventually(lambda: log_of(ready, "step") == "up\n")
    assert ready.wait_pod("step", timeout_seconds=0.1).phase is PodPhase.RUNNING
    ready.delete_pod("step")


def test_a_deleted_pod_is_asked_to_end_first(world: LocalWorld, ready: LocalCluster) -> None:
    started = ready.start_pod(pod("step", "sh", "-c", "exec > said; " + TRAP))
    said = world.driver.contents(ready.claim("work").volume) / "said"
    eventually(lambda: said.exists() and said.read_text() == "up\n")
    ready.delete_pod("step")
    assert said.read_text() == "up\nasked\n"
    assert started.log is not None
    assert not started.log.exists()
    assert mounted_below(world.home) == []


def test_a_deaf_pod_is_killed_with_all_its_processes(world: LocalWorld, ready: LocalCluster) -> None:
    script = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do date > beat; sleep 0.05; done' &); while :; do sleep 1; done"
    ready.start_pod(pod("step", "sh", "-c", script))
    beat = world.driver.contents(ready.claim("work").volume) / "beat"
    eventually(beat.exists)
    ready._pods.delete("step", grace_seconds=0.2)
    beat.unlink()
    time.sleep(0.3)
    assert not beat.exists()
    assert mounted_below(world.home) == []


def test_what_a_command_leaves_in_the_background_ends_with_it(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "sh", "-c", "(while :; do date > beat; sleep 0.05; done) & sleep 0.3"))
    assert ready.wait_pod("step", timeout_seconds=30).exit_status == 0
    beat = world.driver.contents(ready.claim("work").volume) / "beat"
    beat.unlink()
    time.sleep(0.3)
    assert not beat.exists()


def test_a_pod_whose_supervisor_is_killed_ends_as_killed(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "sh", "-c", "while :; do date > beat; sleep 0.05; done"))
    beat = world.driver.contents(ready.claim("work").volume) / "beat"
    eventually(beat.exists)
    os.kill(supervisor_of(ready, "step"), signal.SIGKILL)
    ended = ready.wait_pod("step", timeout_seconds=30)
    assert (ended.phase, ended.exit_status) == (PodPhase.FAILED, -9)
    beat.unlink()
    time.sleep(0.3)
    assert not beat.exists()


def test_another_program_waits_for_a_pod_and_learns_how_it_ended(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "sh", "-c", "sleep 0.5; exit 7"))
    other = world.cluster()
    assert other.wait_pod("step", timeout_seconds=30).exit_status == 7
    assert ready.wait_pod("step").exit_status == 7
    other.close()


def test_a_command_in_a_running_pod_sees_its_processes_and_its_files(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "sh", "-c", "touch /only-in-the-pod; sleep 60"))
    inside = world.driver.contents(ready.claim("work").volume) / "seen"
    eventually(lambda: ready.exec_pod("step", ["test", "-e", "/only-in-the-pod"], {}) == 0)
    script = "cat /proc/1/cmdline | tr '\\0' ' ' > seen; echo $STEP $MORE >> seen; exit 4"
    assert ready.exec_pod("step", ["sh", "-c", script], {"MORE": "more"}) == 4
    assert "trampoline" in inside.read_text()
    assert "step more" in inside.read_text()
    assert ready.exec_pod("step", ["no-such-program"], {}) == 127
    ready._pods.delete("step", grace_seconds=0.2)


def test_a_command_runs_in_a_pod_that_has_none_of_its_own(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("notebook"))
    assert ready.exec_pod("notebook", ["sh", "-c", "echo hi > /home/jovyan/work/f; kill -9 $$"], {}) == -9
    assert (ready.pod("notebook").paths["work"] / "f").read_text() == "hi\n"
    assert not list((world.home / "pods").glob("*/exec-*"))


def test_deleting_a_pod_ends_what_was_run_in_it(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("notebook"))
    statuses: list[int] = []
    runner = threading.Thread(
        target=lambda: statuses.append(ready.exec_pod("notebook", ["sh", "-c", "touch up; sleep 60"], {}))
    )
    runner.start()
    up = ready.pod("notebook").paths["work"] / "up"
    eventually(up.exists)
    ready.delete_pod("notebook")
    runner.join(timeout=20)
    assert statuses == [-signal.SIGTERM]
    assert mounted_below(world.home) == []


def test_nothing_runs_in_a_pod_that_has_just_ended(ready: LocalCluster) -> None:
    ready.start_pod(pod("step", "true"))
    eventually(lambda: ready.pod("step").phase is PodPhase.SUCCEEDED)
    with pytest.raises(StillInUse, match="has ended"):
        ready.exec_pod("step", ["true"], {})
    (leftover,) = ready.leftovers()
    assert leftover.kind == "ended pod"
    ready.clear(leftover)
    assert ready.leftovers() == []


PROGRAM = """
import sys
from pathlib import Path
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from tests.fakes.local_cluster import pod
cluster = LocalCluster(Path(sys.argv[1]), CsiClient(Path(sys.argv[2])))
cluster.start_pod(pod("step", "sh", "-c", "echo up; sleep 60"))
{deed}
"""


def program(
    world: LocalWorld, deed: str, *, standard_input: int | None = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    source = PROGRAM.replace("{deed}", deed)
    arguments = [sys.executable, "-c", source, str(world.home), str(world.socket)]
    return subprocess.Popen(
        arguments, stdin=standard_input, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )


def test_ctrl_c_ends_the_pod_and_takes_its_mounts_away(world: LocalWorld, ready: LocalCluster) -> None:
    waiting = program(world, "cluster.wait_pod('step')")
    eventually(lambda: [p.name for p in ready.pods()] and log_of(ready, "step") == "up\n")
    time.sleep(0.2)
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=30)
    ended = ready.pod("step")
    assert (ended.phase, ended.exit_status) == (PodPhase.FAILED, -signal.SIGTERM)
    assert mounted_below(world.home) == []


def test_a_signal_to_the_caller_reaches_the_command_it_runs(world: LocalWorld, ready: LocalCluster) -> None:
    deed = "print(cluster.exec_pod('step', ['sh', '-c', \"trap 'exit 9' INT; touch ready; while :; do sleep 0.05; done\"], {}))"
    caller = program(world, deed)
    mark = world.driver.contents(ready.claim("work").volume) / "ready"
    eventually(mark.exists)
    caller.send_signal(signal.SIGINT)
    out, _ = caller.communicate(timeout=30)
    assert out == b"9\n"
    ready._pods.delete("step", grace_seconds=0.2)


def test_input_and_output_of_the_caller_are_the_commands(world: LocalWorld, ready: LocalCluster) -> None:
    caller = program(
        world, "sys.exit(cluster.exec_pod('step', ['tr', 'a-z', 'A-Z'], {}))", standard_input=subprocess.PIPE
    )
    out, _ = caller.communicate(b"hello", timeout=30)
    assert (caller.returncode, out) == (0, b"HELLO")
    ready._pods.delete("step", grace_seconds=0.2)
