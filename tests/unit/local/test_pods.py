from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from rokcsi.model.cluster import NewPod, PodPhase, PodVolume
from rokcsi.model.errors import (
    InvalidRequest,
    RecordExists,
    RecordNotFound,
    StillInUse,
    SystemCallFailed,
    Unavailable,
    VolumeNotFound,
)
from tests.fakes.local_cluster import LocalWorld, claim, pod


@pytest.fixture
def ready(cluster: LocalCluster) -> LocalCluster:
    cluster.create_claim(claim("work"))
    cluster.create_claim(claim("data"))
    return cluster


def test_a_pod_without_a_command_holds_its_volumes(world: LocalWorld, ready: LocalCluster) -> None:
    notebook = ready.start_pod(pod("notebook", claims=("work", "data")))
    assert notebook.phase is PodPhase.RUNNING
    assert set(notebook.paths.values()) <= world.driver.mounts_seen()
    assert notebook.paths["work"] == world.home / "pods" / notebook.uid / "volumes/work/mount"
    assert ready.pods() == [notebook]
    assert ready.wait_pod("notebook").phase is PodPhase.RUNNING


def test_the_driver_is_told_of_the_pod_as_kubelet_does(world: LocalWorld, ready: LocalCluster) -> None:
    made = ready.start_pod(pod("notebook"))
    request = next(asked for name, asked in world.driver.calls if name == "NodePublishVolume")
    assert request.volume_context["csi.storage.k8s.io/pod.name"] == "notebook"
    assert request.volume_context["csi.storage.k8s.io/pod.namespace"] == "default"
    assert request.volume_context["csi.storage.k8s.io/pod.uid"] == made.uid
    assert request.volume_context["made-by"] == "fake"


def test_a_pods_command_ends_and_its_mounts_go(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("train", "python", "train.py"))
    ended = ready.wait_pod("train", timeout_seconds=5)
    assert (ended.phase, ended.exit_status, ended.paths) == (PodPhase.SUCCEEDED, 0, {})
    assert ended.log is not None
    assert ended.log.read_text() == "done\n"
    assert world.driver.mounts_seen() == frozenset()
    assert world.driver.staged == {}
    assert ready.wait_pod("train") == ended


def test_a_failed_command_gives_its_status(world: LocalWorld, ready: LocalCluster) -> None:
    assert world.sandbox is not None
    world.sandbox.status = -9
    ready.start_pod(pod("train", "python"))
    ended = ready.wait_pod("train")
    assert (ended.phase, ended.exit_status) == (PodPhase.FAILED, -9)


def test_a_command_gets_its_environment_and_sane_defaults_and_nothing_of_the_callers(
    world: LocalWorld, ready: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "mine")
    ready.start_pod(pod("train", "python"))
    assert world.sandbox is not None
    environment = world.sandbox.plans[0].environment
    assert set(environment) == {"PATH", "HOME", "LANG", "STEP"}


def test_inner_mount_paths_come_after_outer_ones(world: LocalWorld, ready: LocalCluster) -> None:
    volumes = (
        PodVolume("b", "data", "/work/a/b"),
        PodVolume("a", "work", "/work/a"),
        PodVolume("c", "data", "/work-x"),
    )
    ready.start_pod(NewPod("train", volumes, ("true",)))
    assert world.sandbox is not None
    assert [bind.target for bind in world.sandbox.plans[0].binds] == ["/work/a", "/work/a/b", "/work-x"]


def test_a_volume_shared_by_two_pods_is_staged_until_the_last_has_gone(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("one"))
    ready.start_pod(pod("two"))
    ready.delete_pod("one")
    assert len(world.driver.staged) == 1
    ready.delete_pod("two")
    assert world.driver.staged == {}
    assert "NodeUnstageVolume" in world.driver.methods()


def test_starting_again_gives_the_same_pod_and_runs_nothing_twice(world: LocalWorld, ready: LocalCluster) -> None:
    first = ready.start_pod(pod("train", "python"))
    again = world.cluster().start_pod(pod("train", "python"))
    assert again.uid == first.uid
    assert world.sandbox is not None
    assert len(world.sandbox.plans) == 1


def test_a_pod_of_the_same_name_and_another_command_is_refused(ready: LocalCluster) -> None:
    ready.start_pod(pod("train", "python"))
    with pytest.raises(RecordExists):
        ready.start_pod(pod("train", "ruby"))


def test_mounts_that_a_reboot_took_away_come_back(world: LocalWorld, ready: LocalCluster) -> None:
    made = ready.start_pod(pod("notebook", claims=("work", "data")))
    world.driver.host.points.clear()
    world.driver.staged.clear()
    assert world.cluster().pod("notebook") == made
    assert set(made.paths.values()) <= world.driver.mounts_seen()


@pytest.mark.parametrize("method", ["NodeStageVolume", "NodePublishVolume"])
def test_a_mount_that_fails_is_undone(world: LocalWorld, ready: LocalCluster, method: str) -> None:
    world.driver.refuse(method, grpc.StatusCode.NOT_FOUND, "no such volume")
    with pytest.raises(VolumeNotFound):
        ready.start_pod(pod("train", "python", claims=("work", "data")))
    assert ready.pods() == []
    assert world.driver.staged == {}
    assert not any("pods" in path or "plugins" in path for path in world.paths_left())


def test_a_sandbox_that_cannot_be_made_undoes_the_mounts(world: LocalWorld, ready: LocalCluster) -> None:
    assert world.sandbox is not None
    world.sandbox.error = SystemCallFailed("no overlay")
    with pytest.raises(SystemCallFailed, match="no overlay"):
        ready.start_pod(pod("train", "python"))
    assert ready.pods() == []
    assert world.driver.staged == {}


def test_what_cannot_be_undone_now_is_told_and_can_be_deleted_later(world: LocalWorld, ready: LocalCluster) -> None:
    world.driver.refuse("NodePublishVolume", grpc.StatusCode.INTERNAL, "broken")
    world.driver.refuse("NodeUnpublishVolume", grpc.StatusCode.INTERNAL, "also broken")
    with pytest.raises(Exception, match="broken") as raised:
        ready.start_pod(pod("train", "python"))
    assert "delete the pod 'train' later" in raised.value.__notes__[0]
    (leftover,) = ready.leftovers()
    assert leftover.kind == "unfinished pod"
    ready.clear(leftover)
    assert ready.leftovers() == []
    assert world.driver.staged == {}


def test_a_pod_needs_its_claims(world: LocalWorld, ready: LocalCluster) -> None:
    with pytest.raises(RecordNotFound, match="no claim 'models'"):
        ready.start_pod(pod("train", "python", claims=("work", "models")))
    assert ready.pods() == []
    assert not any("models" in path for path in world.paths_left())


def test_a_deleted_pod_leaves_nothing_and_deleting_again_does_nothing(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("train", "python"))
    ready.wait_pod("train")
    ready.delete_pod("train")
    ready.delete_pod("train")
    ready.delete_claim("work")
    ready.delete_claim("data")
    assert world.paths_left() == []
    with pytest.raises(RecordNotFound):
        ready.pod("train")


def test_a_command_can_be_run_in_a_pod_that_is_up(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("notebook"))
    assert world.sandbox is not None
    world.sandbox.status = 3
    assert ready.exec_pod("notebook", ["ls"], {"A": "1"}) == 3
    plan = world.sandbox.plans[-1]
    assert plan.command == ("ls",)
    assert plan.environment["A"] == "1"
    assert plan.exit_record is None
    assert not list((world.home / "pods").glob("*/exec-*"))


def test_nothing_is_run_in_a_pod_that_has_ended(ready: LocalCluster) -> None:
    ready.start_pod(pod("train", "python"))
    ready.wait_pod("train")
    with pytest.raises(StillInUse, match="not up"):
        ready.exec_pod("train", ["ls"], {})


def test_several_threads_run_pods_side_by_side(world: LocalWorld, ready: LocalCluster) -> None:
    def run(name: str) -> PodPhase:
        ready.start_pod(pod(name, "python"))
        return ready.wait_pod(name).phase

    with ThreadPoolExecutor(8) as threads:
        phases = list(threads.map(run, [f"step-{n}" for n in range(8)]))
    assert phases == [PodPhase.SUCCEEDED] * 8
    assert world.driver.staged == {}


def _with_path(path: str) -> NewPod:
    return NewPod("train", (PodVolume("work", "work", path),), ("true",))


@pytest.mark.parametrize(
    "path",
    ["", "work", "/", "/proc", "/proc/1", "/sys/x", "/dev", "/dev/shm", "/etc", "/usr", "/a/../etc", "/a//b", "/a/", "//etc",
     "/a\nb", "/a\0b"],
)  # fmt: skip
def test_a_mount_path_that_would_break_the_pod_is_refused(world: LocalWorld, ready: LocalCluster, path: str) -> None:
    before = len(world.driver.calls)
    with pytest.raises(InvalidRequest, match="mount"):
        ready.start_pod(_with_path(path))
    assert len(world.driver.calls) == before
    assert ready.pods() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": ("a\0b",)},
        {"command": ("",)},
        {"environment": {"A=B": "1"}},
        {"environment": {"": "1"}},
        {"environment": {"A": "\0"}},
        {"working_directory": "work"},
        {"volumes": (PodVolume("a", "work", "/a"), PodVolume("a", "data", "/b"))},
        {"volumes": (PodVolume("a", "work", "/a"), PodVolume("b", "data", "/a"))},
        {"volumes": (PodVolume("../x", "work", "/a"),)},
        {"volumes": (PodVolume("a", "../work", "/a"),)},
    ],
)
def test_a_pod_that_can_never_run_is_refused(ready: LocalCluster, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        ready.start_pod(dataclasses.replace(pod("train", "python"), **wrong))  # type: ignore[arg-type]  # one field each
    assert ready.pods() == []


def test_a_driver_in_another_mount_namespace_is_told(world: LocalWorld, ready: LocalCluster) -> None:
    blind = LocalCluster(world.home, CsiClient(world.socket), sandbox=world.sandbox, mounts_seen=frozenset)
    with pytest.raises(Unavailable, match="another mount namespace"):
        blind.start_pod(pod("train", "python"))
    assert ready.pods() == []
    assert world.driver.staged == {}
