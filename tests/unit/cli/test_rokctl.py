"""`rokctl` from create to delete: what it prints, in which shape, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from rokcsi.cli.opening import hoisted
from rokcsi.model.errors import PoolFull
from rokcsi.sdk import Session
from tests.fakes.memory_cluster import Failure, MemoryCluster
from tests.unit.cli.conftest import Rokctl


def failed_run(rokctl: Rokctl, pipeline: Path) -> str:
    result = rokctl("run", str(pipeline), "--notebook", "lab", ok=False)
    assert result.exit_code == 1
    found = re.search(r"run/(sums-[0-9a-f]{8}) failed", result.stdout)
    assert found, result.output
    return found[1]


def test_a_notebook_is_made_listed_described_and_deleted(rokctl: Rokctl, notebook: str, cluster: MemoryCluster) -> None:
    assert rokctl("get", "notebooks").stdout.split()[:1] == ["NAME"]
    assert "lab" in rokctl("get", "nb").stdout
    page = rokctl("describe", "notebook", notebook).stdout
    assert re.search(r"data +/data +lab-data +yes", page)
    assert "A=1" in page
    assert rokctl("delete", "nb", notebook, "--yes").stdout == "notebook/lab deleted\n"
    assert rokctl("get", "nb", "-o", "name").stdout == ""
    assert cluster.claims() == []


def test_each_format_of_a_list_and_of_one_thing(rokctl: Rokctl, notebook: str) -> None:
    assert rokctl("get", "nb", "-o", "name").stdout == "notebook/lab\n"
    (listed,) = json.loads(rokctl("get", "nb", "-o", "json").stdout)
    one = json.loads(rokctl("get", "nb", notebook, "-o", "json").stdout)
    assert listed == one
    assert one["volumes"][1] == {"name": "data", "claim": "lab-data", "mount_path": "/data", "readonly": True}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", one["created_at"])
    assert yaml.safe_load(rokctl("get", "nb", notebook, "-o", "yaml").stdout) == one
    assert "CLAIMS" in rokctl("get", "nb", "-o", "wide").stdout


def test_a_checkpoint_has_its_page_of_details(rokctl: Rokctl, notebook: str) -> None:
    taken = rokctl("checkpoint", notebook, "-m", "before it breaks", "--title", "Safe").stdout
    taken_id = taken.split()[0].removeprefix("checkpoint/")
    page = rokctl("describe", "checkpoint", taken_id[:8]).stdout
    for words in (
        "Bucket: +notebooks",
        "Object: +lab",
        "before it breaks",
        "Author: +the owner",
        "Freeze window: +0.5 ms",
    ):
        assert re.search(words, page), words
    assert re.search(r"workspace +/mnt/workspace +workspace +1Gi", page)
    assert f"?version={taken_id}" in page
    assert rokctl("url", taken_id[:8]).stdout.strip().endswith(taken_id)
    detail = json.loads(rokctl("describe", "cp", taken_id, "-o", "json").stdout)
    assert detail["members"][0]["size"] == 1 << 30
    assert detail["freeze_window_seconds"] == pytest.approx(0.0005)


def test_a_run_that_fails_tells_how_to_look_open_and_go_on(rokctl: Rokctl, notebook: str, pipeline: Path) -> None:
    result = rokctl("run", str(pipeline), "--notebook", notebook, ok=False)
    assert result.exit_code == 1
    hint = re.search(r"rokctl restore ([0-9a-f]{8}) --as fixing", result.stderr)
    assert hint
    assert "create-volume-1: workspace cloned" in result.stderr
    run = re.search(r"run/(\S+) failed", result.stdout)
    assert run
    rokctl("restore", hint[1], "--as", "fixing")
    restored = json.loads(rokctl("get", "nb", "fixing", "-o", "json").stdout)
    assert restored["restored_from"].startswith(hint[1])
    assert restored["environment"]["A"] == "1"


def test_a_fixed_run_is_resumed_without_repeating_what_had_succeeded(
    rokctl: Rokctl, notebook: str, pipeline: Path, session: Session, cluster: MemoryCluster
) -> None:
    run = failed_run(rokctl, pipeline)
    before = session.step(run, "join").step.attempts[-1].before
    assert before
    rokctl("restore", before, "--as", "fixing")
    (cluster.folder("fixing-workspace") / "fixed").touch()
    result = rokctl("resume", "run", run, "--notebook", "fixing")
    assert result.stdout == f"run/{run} succeeded\n"
    assert "load: not run again" in result.stderr
    steps = {each["step"]["name"]: each["step"] for each in json.loads(rokctl("get", "steps", "-o", "json").stdout)}
    assert len(steps["load"]["attempts"]) == 1
    assert len(steps["join"]["attempts"]) == 2


def test_a_steps_page_tells_mounts_checkpoints_status_and_log(rokctl: Rokctl, notebook: str, pipeline: Path) -> None:
    run = failed_run(rokctl, pipeline)
    page = rokctl("describe", "step", f"{run}/join").stdout
    assert re.search(rf"workspace +/mnt/workspace +{run}-create-volume-1 +create-volume-1 +no", page)
    assert re.search(r"Exit status: +3", page)
    assert "ValueError: not fixed yet" in page
    assert f"/sums/{run}?version=" in page
    assert rokctl("logs", f"{run}/load").stdout == "loaded\n"
    detail = json.loads(rokctl("describe", "step", f"{run}/join", "-o", "json").stdout)
    assert detail["attempts"][0]["attempt"]["exit_status"] == 3


def test_lists_are_restricted_and_a_restriction_that_makes_no_sense_is_refused(
    rokctl: Rokctl, notebook: str, pipeline: Path
) -> None:
    run = failed_run(rokctl, pipeline)
    of_run = json.loads(rokctl("get", "cp", "--run", run, "--bucket", "sums", "-o", "json").stdout)
    assert {version["object"] for version in of_run} == {run}
    result = rokctl("get", "claims", "--run", run, ok=False)
    assert (result.exit_code, result.stderr) == (2, "error: claims cannot be restricted by --run\n")


@pytest.mark.parametrize("kind", ["buckets", "objects", "tasks", "runs", "steps", "claims", "pods", "cp", "pools"])
def test_every_kind_is_listed_described_and_dumped(rokctl: Rokctl, notebook: str, pipeline: Path, kind: str) -> None:
    failed_run(rokctl, pipeline)
    for name in rokctl("get", kind, "-o", "name").stdout.splitlines():
        assert rokctl("describe", name).stdout
        assert json.loads(rokctl("describe", name, "-o", "json").stdout)
        assert rokctl("get", name, "-o", "name").stdout == f"{name}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["get", "volcanoes"], 2, "there is no kind 'volcanoes'; there are: notebooks (nb)"),
        (["get", "nb", "missing"], 3, "missing"),
        (["describe", "cp", "not an id!"], 2, "give a version's id"),
        (["describe", "cp", "abcdef12"], 3, "abcdef12"),
        (["describe", "step", "nothing"], 2, "not RUN/STEP"),
        (["checkpoint", "missing"], 3, "rokctl get notebooks"),
        (["restore", "abcdef12", "--as", "x"], 3, "abcdef12"),
        (["run", "/nowhere.yaml", "--notebook", "lab"], 2, "/nowhere.yaml"),
        (["resume", "a", "b"], 2, "name one run"),
        (["resume", "missing"], 3, "there is no run 'missing'"),
        (["create", "notebook", "x", "-v", "workspace"], 2, "write NAME=FOLDER"),
        (["create", "notebook", "x", "-v", "workspace=,colour=red"], 2, "no option 'colour=red'"),
        (["create", "notebook", "x", "-v", "workspace=/not/there"], 2, "is no folder"),
        (["create", "notebook", "Bad Name", "-v", "w="], 2, "Bad Name"),
        (["create", "notebook", "x", "-v", "w=", "-e", "A"], 2, "--env 'A' is not NAME=VALUE"),
        (["create", "notebook", "x", "-v", "w=,size=huge"], 2, "not a size"),
        (["delete", "pods", "x"], 8, "cannot be deleted by themselves"),
        (["delete", "nb"], 2, "name what to delete"),
        (["retain", "--older-than", "soon"], 2, "not an age"),
        (["retain"], 2, "say what to keep: the last checkpoints (keep-last)"),
        (["wait", "run", "missing"], 3, "`rokctl get runs` lists them"),
        (["wait", "pod", "x"], 2, "one can wait for a run or a task"),
        (["logs", "x"], 2, "not RUN/STEP"),
    ],
)
def test_a_users_mistake_is_one_line_with_what_to_do_and_a_status(
    rokctl: Rokctl, arguments: list[str], status: int, said: str
) -> None:
    result = rokctl(*arguments, ok=False)
    assert result.exit_code == status, result.output
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_wrong_pipeline_file_is_told_line_by_line(rokctl: Rokctl, notebook: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("name: x\nsteps:\n  - {name: a, comand: [x]}\n")
    result = rokctl("run", str(file), "--notebook", notebook, ok=False)
    assert result.exit_code == 2
    assert f"{file}:3:" in result.stderr


def test_a_name_that_is_taken_is_a_conflict_and_a_full_pool_has_its_own_status(
    rokctl: Rokctl, notebook: str, cluster: MemoryCluster
) -> None:
    assert rokctl("create", "notebook", notebook, "-v", "workspace=", ok=False).exit_code == 4
    cluster.calls.clear()
    cluster.failure = Failure(len(cluster.calls) + 2, PoolFull("the pool is full; delete something"))
    result = rokctl("checkpoint", notebook, ok=False)
    assert (result.exit_code, "the pool is full" in result.stderr) == (6, True)


def test_a_dry_run_deletes_nothing(rokctl: Rokctl, notebook: str) -> None:
    taken_id = rokctl("checkpoint", notebook).stdout.split()[0].removeprefix("checkpoint/")
    assert rokctl("delete", "cp", taken_id, "--dry-run").stdout == f"checkpoint/{taken_id} would be deleted\n"
    assert rokctl("delete", f"checkpoint/{taken_id}").stdout == f"checkpoint/{taken_id} deleted\n"
    assert rokctl("delete", "cp", taken_id, "--ignore-not-found").stdout == ""
    assert rokctl("delete", "cp", taken_id, ok=False).exit_code == 3


def test_retention_shows_what_goes_and_leaves_what_is_pinned(rokctl: Rokctl, notebook: str) -> None:
    ids = [rokctl("checkpoint", notebook).stdout.split()[0].removeprefix("checkpoint/") for _ in range(3)]
    rokctl("pin", ids[0])
    shown = rokctl("retain", "--keep-last", "1", "--dry-run")
    assert shown.stdout == f"checkpoint/{ids[1]} would be deleted\n"
    assert f"{ids[0]} stays: it is pinned" in shown.stderr
    assert rokctl("retain", "--keep-last", "1").stdout.endswith("deleted 1 checkpoint and no runs\n")
    left = rokctl("get", "cp", "-o", "name").stdout.split()
    assert left == [f"checkpoint/{ids[0]}", f"checkpoint/{ids[2]}"]
    assert rokctl("delete", "cp", ids[0], ok=False).exit_code == 5
    rokctl("unpin", ids[0])
    rokctl("delete", "cp", ids[0])


def test_an_interrupted_command_says_what_was_undone_and_ends_with_130(
    rokctl: Rokctl, notebook: str, cluster: MemoryCluster
) -> None:
    cluster.calls.clear()
    cluster.failure = Failure(len(cluster.calls) + 2, KeyboardInterrupt())
    result = rokctl("checkpoint", notebook, ok=False)
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted: no checkpoint was taken; its snapshots are gone again\n")
    cluster.failure = None
    assert rokctl("get", "cp", "-o", "name").stdout == ""


def test_waiting_for_a_run_that_is_over_tells_how_it_ended(rokctl: Rokctl, notebook: str, pipeline: Path) -> None:
    run = failed_run(rokctl, pipeline)
    result = rokctl("wait", "run", run, ok=False)
    assert (result.exit_code, result.stdout) == (1, f"run/{run} failed\n")
    task = rokctl("get", "tasks", "--bucket", "notebooks", "-o", "name").stdout.split()[0].removeprefix("task/")
    assert rokctl("wait", "task", task).stdout == f"task/{task} success\n"


def test_options_of_the_root_may_stand_anywhere_before_the_dashes() -> None:
    assert hoisted(["get", "nb", "-n", "default", "--home=/x", "--debug"]) == [
        *("-n", "default", "--home=/x", "--debug"),
        *("get", "nb"),
    ]
    assert hoisted(["exec", "lab", "--", "head", "-n", "3"]) == ["exec", "lab", "--", "head", "-n", "3"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(rokctl: Rokctl, shell: str) -> None:
    assert "_ROKCTL_COMPLETE" in rokctl("completion", shell).stdout
