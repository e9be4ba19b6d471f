"""The catalogue is lost, and filled again from what the snapshots say of themselves."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rokcsi.catalog.opening import open_catalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.cluster import LabelledCut, LabelledSnapshot
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Commit, Notebook, Reason, ReasonKind, Version
from rokcsi.model.runs import Run, RunStatus
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.pipeline import fingerprint, rebuild, resume, run
from rokcsi.pipeline.checkpoint import Words, of_notebook
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.deletion import delete_run, delete_version
from rokcsi.pipeline.describe import url_of
from rokcsi.pipeline.label_reading import read_version
from rokcsi.pipeline.labels import labels_of
from rokcsi.pipeline.restore import restore
from rokcsi.pipeline.resume import ResumeFrom
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import MemoryCluster


@pytest.fixture
def amnesiac(world: World, tmp_path: Path) -> Iterator[World]:
    """The same world whose catalogue was lost."""
    catalog = open_catalog(tmp_path / "second" / "catalog.sqlite")
    yield dataclasses.replace(world, catalog=catalog)
    catalog.close()


def everything(world: World) -> dict[str, Version]:
    return {version.id: version for version in world.catalog.versions.list(VersionFilter(state=None))}


def as_labels_have_it(version: Version) -> Version:
    """Take away what is never written on a snapshot: secrets may be in it, or the catalogue alone knows it."""
    reason = dataclasses.replace(version.reason, environment={}, command=())
    return dataclasses.replace(version, reason=reason, task=None)


def failed_run(world: World, lab: Notebook, definition: PipelineDefinition) -> Run:
    of_notebook(world, lab.name, Words("by hand", "as it was", "somebody"))
    return run.start(world, lab.name, definition)


def test_every_checkpoint_of_a_story_comes_back(
    world: World, amnesiac: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed_run(world, lab, definition)
    before = everything(world)
    assert [version for version in before.values() if version.same_cut_as], "the story has versions that share a cut"

    rebuild.carry_out(amnesiac, rebuild.plan(amnesiac))

    after = everything(amnesiac)
    assert before.keys() == after.keys()
    for id_, version in before.items():
        expected, found = as_labels_have_it(version), after[id_]
        # The version before a step says of concurrent steps and its parent what it rests on.
        if version.same_cut_as:
            expected = dataclasses.replace(expected, message=found.message, parent=found.parent)
        assert found == expected
    assert [bucket.name for bucket in amnesiac.catalog.buckets.list()] == ["notebooks", "sums"]


def test_a_state_is_restored_by_its_url_from_a_rebuilt_catalogue(
    world: World, amnesiac: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = failed_run(world, lab, definition)
    before = world.catalog.versions.get(failed.steps[3].attempts[0].before or "")
    url = url_of(world, before)
    expected = restore(world, url, "expected")
    rebuild.carry_out(amnesiac, rebuild.plan(amnesiac))

    found = restore(amnesiac, url, "found")

    def hashes(notebook: Notebook) -> list[str]:
        return [fingerprint.of_folder(cluster.folder(volume.claim)) for volume in notebook.volumes]

    assert hashes(found) == hashes(expected)
    assert [volume.mount_path for volume in found.volumes] == [volume.mount_path for volume in expected.volumes]
    assert found.working_directory == expected.working_directory


def test_notebooks_and_runs_come_back_as_far_as_what_stands_tells_of_them(
    world: World, amnesiac: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = failed_run(world, lab, definition)
    opened = restore(world, failed.steps[3].attempts[0].before or "", "fix")
    rebuild.carry_out(amnesiac, rebuild.plan(amnesiac))

    found = {notebook.name: notebook for notebook in amnesiac.catalog.notebooks.list()}
    assert found.keys() == {"lab", "fix"}
    assert found["fix"].volumes == opened.volumes
    assert found["fix"].environment == opened.environment
    origin = amnesiac.catalog.versions.get(found["fix"].restored_from or "")
    assert origin.cut_name == world.catalog.versions.get(opened.restored_from or "").cut_name
    again = amnesiac.catalog.runs.get(failed.id)
    assert (again.pipeline, again.notebook, again.origin, again.leg) == (failed.pipeline, "lab", failed.origin, 1)
    assert [(volume.name, volume.claim, volume.mount_path, volume.snapshot) for volume in again.volumes] == [
        (volume.name, volume.claim, volume.mount_path, volume.snapshot) for volume in failed.volumes
    ]
    for step in failed.steps[:4]:
        known = again.step(step.name)
        assert known is not None
        assert known.status is step.status
        assert [(one.number, one.before, one.after, one.exit_status) for one in known.attempts] == [
            (one.number, one.before, one.after, one.exit_status) for one in step.attempts
        ]
    assert again.step("report") is None


def test_a_rebuilt_run_is_resumed_with_its_pipeline_file_and_deleted_with_its_volumes(
    world: World, amnesiac: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = failed_run(world, lab, definition)
    opened = restore(world, failed.steps[3].attempts[0].before or "", "fix")
    (cluster.folder(opened.workspace.claim) / "settings").write_text("separator=plus\n")
    rebuild.carry_out(amnesiac, rebuild.plan(amnesiac))

    with pytest.raises(InvalidRequest, match="was lost with the catalogue; give it with --pipeline FILE"):
        resume.resume(amnesiac, failed.id, ResumeFrom(notebook="fix"))
    resumed = resume.resume(amnesiac, failed.id, ResumeFrom(notebook="fix"), definition)

    assert resumed.status is RunStatus.SUCCEEDED
    assert {step.name: len(step.attempts) for step in resumed.steps} == {
        "load": 1,
        "double": 1,
        "square": 1,
        "join": 2,
        "report": 1,
    }
    delete_run(amnesiac, failed.id)
    assert not [name for name in cluster.left() if name.startswith(failed.id)]
    for version in amnesiac.catalog.versions.list(VersionFilter()):
        delete_version(amnesiac, version.id)
    assert cluster.labelled_cuts() == []


def test_a_plan_changes_nothing_and_a_second_rebuild_adds_nothing(
    world: World, amnesiac: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed_run(world, lab, definition)
    plan = rebuild.plan(amnesiac)
    assert everything(amnesiac) == {}
    assert list(amnesiac.catalog.notebooks.list()) == []
    assert list(amnesiac.catalog.runs.list()) == []
    for _ in range(2):
        rebuild.carry_out(amnesiac, plan)
        assert everything(amnesiac).keys() == {version.id for version in plan.versions}
    assert rebuild.plan(amnesiac).is_empty


def test_a_catalogue_that_is_whole_gets_nothing_and_stays_as_it_is(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed_run(world, lab, definition)
    before = everything(world)
    assert rebuild.plan(world).is_empty
    assert everything(world) == before


def test_a_deleted_checkpoint_does_not_come_back_while_another_rests_on_its_cut(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed_run(world, lab, definition)
    resting = next(version for version in everything(world).values() if version.same_cut_as)
    delete_version(world, str(resting.same_cut_as))
    assert rebuild.plan(world).versions == ()


def test_what_a_pool_had_no_room_for_is_missing_and_the_state_can_still_be_restored(
    world: World, amnesiac: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    cluster.label_bytes = 300
    version = of_notebook(world, lab.name, Words("t" * 200, "m" * 900))
    rebuild.carry_out(amnesiac, rebuild.plan(amnesiac))
    found = amnesiac.catalog.versions.get(version.id)
    assert (found.title, found.message) == ("", "")
    assert found.members == version.members
    assert restore(amnesiac, version.id, "again").restored_from == version.id


def test_a_pool_without_room_leaves_a_cut_that_is_told_of(
    world: World, amnesiac: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    cluster.label_bytes = 135
    of_notebook(world, lab.name)
    plan = rebuild.plan(amnesiac)
    assert plan.versions == ()
    assert [each.why for each in plan.unreadable] == ["its labels cannot be read: the pool had no room for rok/filed"]


def test_a_cut_of_somebody_else_is_passed_over(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.cut("theirs", [lab.workspace.claim])
    assert rebuild.plan(world) == rebuild.RebuildPlan()


_EMPTY = LabelledCut(
    "g-1", dt.datetime.now(dt.UTC), (LabelledSnapshot("s-1", "v-1", Bytes(1 << 30), Consistency.FROZEN, 0.001, {}),)
)


def labelled(**changed: Any) -> LabelledCut:
    """Give a cut of one volume with good labels, some of them changed (None takes one away)."""
    id_ = "8f14e45f-ceea-467a-9575-2f2c41b9e0d1"
    labels = {
        "member": [0, "workspace", "lab-workspace", "xfs", "/work", 0],
        "version": [id_, 1],
        "filed": ["notebooks", "lab"],
        "reason": ["step-after", "sums-1", "load", 1, 0],
        **changed,
    }
    texts = {f"rok/{key}": json.dumps(value) for key, value in labels.items() if value is not None}
    return dataclasses.replace(_EMPTY, snapshots=(dataclasses.replace(_EMPTY.snapshots[0], labels=texts),))


def test_good_labels_are_read() -> None:
    version = read_version(labelled(commit=["abc", "a title", "me", True])).version
    assert version.workspace.mount_path == "/work"
    assert version.reason == Reason(
        ReasonKind.STEP_AFTER, "sums-1", "load", 1, 0, commit=Commit("abc", "a title", "", "me", True)
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"member": None},
        {"member": []},
        {"member": [1, "workspace", "c", "xfs", "/work", 0]},
        {"member": [0, "workspace", "c", "ntfs", "/work", 0]},
        {"member": [0, "workspace", "c", "xfs", "/etc", 0]},
        {"member": [0, {}, "c", "xfs", "/work", 0]},
        {"version": ["../../etc", 1]},
        {"version": ["8f14e45f-ceea-467a-9575-2f2c41b9e0d1", 2]},
        {"version": 5},
        {"filed": ["notebooks"]},
        {"filed": [1, 2]},
        {"reason": ["because", None, None, None, None]},
        {"reason": ["manual", 5, None, None, None]},
        {"parent": "none"},
        {"completed": [[1], []]},
        {"before": ["x", "y", "z", []]},
        {"title": {"a": 1}},
    ],
)
def test_labels_that_are_wrong_are_told_of_and_harm_nobody(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="its labels cannot be read"):
        read_version(labelled(**changed))


def test_secrets_are_not_written_on_snapshots(world: World, lab: Notebook) -> None:
    version = of_notebook(world, lab.name)
    secret = dataclasses.replace(
        version, reason=dataclasses.replace(version.reason, environment={"TOKEN": "s3cret"}, command=("s3cret",))
    )
    assert "s3cret" not in str(labels_of(secret, secret.members, secret))
