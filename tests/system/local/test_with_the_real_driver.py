"""The local cluster and `rokcsi serve all` together: real volumes, real snapshots, real mounts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rokcsi.local import driver
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from rokcsi.model.cluster import NewClaim, NewPod, PodVolume
from rokcsi.model.errors import PoolFull, RokcsiError, SizeOutOfRange
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.system.mounts import read_mountinfo

SIZE = Bytes(512 << 20)


def mounted_below(folder: Path) -> list[Path]:
    return [entry.point for entry in read_mountinfo() if folder in entry.point.parents]


def loops_below(folder: Path) -> list[str]:
    listing = subprocess.run(
        ["losetup", "-nO", "NAME,BACK-FILE"], capture_output=True, text=True, check=True, timeout=30
    )
    return [line for line in listing.stdout.splitlines() if str(folder) in line]


def driver_pid(home: Path) -> int:
    process = driver._remembered(home)
    assert process is not None
    return process.pid


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="rokcsi-", dir="/var/tmp"))
    yield made
    driver.stop(made)
    if not mounted_below(made):
        shutil.rmtree(made)


@pytest.fixture
def cluster(home: Path) -> Iterator[LocalCluster]:
    made = LocalCluster(home / "cluster", CsiClient(driver.ensure_running(home)), hidden=[home])
    yield made
    driver.ensure_running(home)
    for pod in made.pods():
        with suppress(RokcsiError):
            made.delete_pod(pod.name)
    for claim in made.claims():
        with suppress(RokcsiError):
            made.delete_claim(claim.name)
    made.close()


def run(cluster: LocalCluster, name: str, script: str, *claims: str, readonly: bool = False) -> tuple[int | None, str]:
    volumes = tuple(PodVolume(claim, claim, f"/home/jovyan/{claim}", readonly) for claim in claims)
    cluster.start_pod(NewPod(name, volumes, ("sh", "-c", script), working_directory=f"/home/jovyan/{claims[0]}"))
    ended = cluster.wait_pod(name, timeout_seconds=120)
    assert ended.log is not None
    return ended.exit_status, ended.log.read_text()


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_the_whole_story_leaves_nothing_behind(home: Path, cluster: LocalCluster, filesystem: str) -> None:
    for name in ("work", "data"):
        cluster.create_claim(NewClaim(name, SIZE, filesystem))
    volumes = tuple(PodVolume(name, name, f"/home/jovyan/{name}") for name in ("work", "data"))
    notebook = cluster.start_pod(NewPod("notebook", volumes))
    (notebook.paths["work"] / "code").write_text("v1")
    (notebook.paths["data"] / "rows").write_text("1 2 3")

    cut = cluster.cut("before", ["work", "data"])
    assert {member.consistency for member in cut.snapshots} == {Consistency.FROZEN}
    assert 0 < cut.freeze_window_seconds < 60
    (notebook.paths["work"] / "code").write_text("v2")

    for member in cut.snapshots:
        cluster.create_claim(NewClaim(f"{member.claim}-clone", member.size, filesystem, member.snapshot))
    status, log = run(
        cluster, "step", "cat code ../data-clone/rows; df . | tail -n 1; echo out > out", "work-clone", "data-clone"
    )
    assert status == 0, log
    assert log.startswith("v11 2 3/dev/loop")
    assert run(cluster, "next", "cat out code", "work-clone") == (0, "out\nv1")
    assert not (notebook.paths["work"] / "out").exists()
    assert (notebook.paths["work"] / "code").read_text() == "v2"

    for pod in ("step", "next", "notebook"):
        cluster.delete_pod(pod)
    cluster.delete_cut(cut.handle)
    assert run(cluster, "still", "cat code", "work-clone")[1] == "v1"
    cluster.delete_pod("still")
    for claim in ("work", "data", "work-clone", "data-clone"):
        cluster.delete_claim(claim)
    assert cluster.leftovers() == []
    assert mounted_below(home / "cluster") == []
    driver.stop(home)
    assert mounted_below(home) == []
    assert loops_below(home) == []


def test_two_steps_write_the_same_clone_at_once(cluster: LocalCluster) -> None:
    cluster.create_claim(NewClaim("work", SIZE))
    results: dict[str, tuple[int | None, str]] = {}

    def step(name: str, other: str) -> None:
        script = f"echo {name} > from-{name}; while [ ! -s from-{other} ]; do sleep 0.05; done; cat from-{other}"
        results[name] = run(cluster, name, script, "work")

    threads = [threading.Thread(target=step, args=names) for names in (("one", "two"), ("two", "one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert results == {"one": (0, "two\n"), "two": (0, "one\n")}


def test_many_steps_one_after_the_other_never_meet_a_busy_volume(cluster: LocalCluster) -> None:
    cluster.create_claim(NewClaim("work", SIZE))
    for number in range(15):
        assert run(cluster, f"step-{number}", f"echo {number} >> log; wc -l < log", "work") == (0, f"{number + 1}\n")
        cluster.delete_pod(f"step-{number}")


def test_a_pod_outlives_a_killed_driver(home: Path, cluster: LocalCluster) -> None:
    cluster.create_claim(NewClaim("work", SIZE))
    volumes = (PodVolume("work", "work", "/work"),)
    notebook = cluster.start_pod(NewPod("notebook", volumes))
    cluster.start_pod(NewPod("step", volumes, ("sh", "-c", "while [ ! -e /work/go ]; do sleep 0.05; done; exit 6")))
    os.kill(driver_pid(home), signal.SIGKILL)
    (notebook.paths["work"] / "go").touch()
    driver.ensure_running(home)
    assert cluster.wait_pod("step", timeout_seconds=60).exit_status == 6
    assert cluster.pod("notebook").paths["work"].joinpath("go").exists()
    assert len(cluster.cut("after", ["work"]).snapshots) == 1
    cluster.delete_pod("notebook")
    cluster.delete_pod("step")


def test_the_drivers_refusals_reach_the_user_in_our_words(cluster: LocalCluster) -> None:
    with pytest.raises((PoolFull, SizeOutOfRange)):
        cluster.create_claim(NewClaim("huge", Bytes(1 << 60)))
    assert cluster.claims() == []


def test_two_callers_at_once_start_one_driver(home: Path) -> None:
    sockets: list[Path] = []
    threads = [threading.Thread(target=lambda: sockets.append(driver.ensure_running(home))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    assert len(sockets) == 3
    assert driver.log_of(home).read_text().count(" serves ") == 1
    assert driver.stop(home)
    assert not driver.stop(home)
