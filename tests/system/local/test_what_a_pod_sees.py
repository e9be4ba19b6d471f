"""The sandbox, from the inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.local.cluster import LocalCluster
from rokcsi.model.cluster import NewPod, Pod, PodPhase, PodVolume
from tests.fakes.local_cluster import LocalWorld, claim, pod

ROOT_FOLDERS = ("/evil", "/home/jovyan", "/usr/evil", "/tmp/evil-of-a-pod")


@pytest.fixture
def ready(cluster: LocalCluster) -> LocalCluster:
    cluster.create_claim(claim("work"))
    cluster.create_claim(claim("data"))
    return cluster


def run(cluster: LocalCluster, script: str, name: str = "step", **more: object) -> tuple[Pod, str]:
    new = pod(name, "sh", "-c", script, **more)  # type: ignore[arg-type]  # passed on as given
    cluster.start_pod(new)
    ended = cluster.wait_pod(name, timeout_seconds=60)
    assert ended.log is not None
    return ended, ended.log.read_text()


def test_it_sees_its_volumes_and_starts_in_its_working_directory(world: LocalWorld, ready: LocalCluster) -> None:
    inside = world.driver.contents(ready.claim("work").volume)
    (inside / "in").write_text("from outside")
    ended, log = run(ready, "pwd; cat in; echo from inside > out")
    assert log == "/home/jovyan/work\nfrom outside"
    assert ended.exit_status == 0
    assert (inside / "out").read_text() == "from inside\n"


def test_what_it_writes_elsewhere_vanishes_and_nothing_is_made_on_the_host(ready: LocalCluster) -> None:
    there = {path: Path(path).exists() for path in ROOT_FOLDERS}
    ended, log = run(ready, "touch /evil /usr/evil /tmp/evil-of-a-pod /etc/passwd.new && ls /evil /home/jovyan")
    assert ended.exit_status == 0, log
    assert "work" in log
    assert {path: Path(path).exists() for path in ROOT_FOLDERS} == there
    _, log = run(ready, "ls /evil", name="next")
    assert "No such file" in log


def test_it_has_the_hosts_programs(ready: LocalCluster) -> None:
    ended, log = run(ready, "python3 -c 'import sqlite3, multiprocessing as m; print(m.Pool(2).map(abs, [-1, 2]))'")
    assert (ended.exit_status, log) == (0, "[1, 2]\n")


def test_its_environment_is_what_was_given(ready: LocalCluster) -> None:
    _, log = run(ready, "env | cut -d= -f1 | sort | tr '\\n' ' '")
    assert log == "HOME LANG PATH PWD STEP "


def test_it_sees_no_other_process_and_no_other_volume(world: LocalWorld, ready: LocalCluster) -> None:
    ready.start_pod(pod("other", claims=("data",)))
    _, log = run(ready, f"ls /proc | grep -c '^[0-9]'; mount | grep -c {world.home}/; ls {world.home} | wc -l")
    processes, mounts, files = log.split()
    assert int(processes) < 8
    assert (mounts, files) == ("0", "0")


def test_its_devices_are_the_harmless_ones(ready: LocalCluster) -> None:
    ended, log = run(
        ready, "ls /dev | tr '\\n' ' '; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /dev/loop0 2>&1"
    )
    assert log.startswith("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 4\n")
    assert ended.exit_status != 0


def test_a_read_only_volume_refuses_writing(ready: LocalCluster) -> None:
    ended, log = run(ready, "touch new", readonly=True)
    assert ended.exit_status == 1
    assert "Read-only file system" in log


def test_a_mount_path_inside_another_volume_works(ready: LocalCluster) -> None:
    volumes = (PodVolume("inner", "data", "/w/a/inner"), PodVolume("outer", "work", "/w/a"))
    ready.start_pod(
        NewPod("step", volumes, ("sh", "-c", "echo 1 > /w/a/x; echo 2 > /w/a/inner/x; cat /w/a/x /w/a/inner/x"))
    )
    ended = ready.wait_pod("step")
    assert ended.log is not None
    assert ended.log.read_text() == "1\n2\n"


def test_a_mount_path_over_a_full_folder_of_the_host_shows_the_volume(ready: LocalCluster) -> None:
    ready.start_pod(NewPod("step", (PodVolume("work", "work", "/usr/share"),), ("ls", "/usr/share")))
    ended = ready.wait_pod("step")
    assert ended.log is not None
    assert (ended.exit_status, ended.log.read_text()) == (0, "")


def test_a_symbolic_link_in_a_volume_leads_nowhere_on_the_host(world: LocalWorld, ready: LocalCluster) -> None:
    (world.driver.contents(ready.claim("work").volume) / "link").symlink_to("/srv")
    volumes = (PodVolume("work", "work", "/w"), PodVolume("data", "data", "/w/link/below"))
    ready.start_pod(NewPod("step", volumes, ("ls", "-d", "/srv/below")))
    assert ready.wait_pod("step").exit_status == 0
    assert not Path("/srv/below").exists()


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        (("no-such-program",), 127, 'exec: "no-such-program": executable file not found in $PATH'),
        (("/no/such/program",), 127, "no such file or directory"),
        (("/etc/passwd",), 126, "Permission denied"),
        (("sh", "-c", "exit 42"), 42, ""),
        (("sh", "-c", "kill -SEGV $$"), -11, ""),
    ],
)
def test_how_a_command_ends_is_told(ready: LocalCluster, command: tuple[str, ...], status: int, text: str) -> None:
    started = ready.start_pod(pod("step", *command))
    assert started.log is not None
    ended = ready.wait_pod("step", timeout_seconds=30)
    assert ended.exit_status == status
    assert ended.phase is PodPhase.FAILED
    assert text in started.log.read_text()


def test_a_missing_working_directory_is_told(ready: LocalCluster) -> None:
    ready.start_pod(NewPod("step", (), ("true",), working_directory="/no/where"))
    ended = ready.wait_pod("step", timeout_seconds=30)
    assert ended.exit_status == 126
    assert ended.log is not None
    assert "working directory /no/where" in ended.log.read_text()
