"""The whole story: a step fails, its state is opened and fixed, the run goes on from there."""

from __future__ import annotations

import dataclasses
import datetime as dt

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.history import NOTEBOOKS_BUCKET, Notebook, ReasonKind, Version
from rokcsi.model.runs import Run, RunStatus, StepStatus
from rokcsi.pipeline import fingerprint, resume, run
from rokcsi.pipeline.checkpoint import of_notebook
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.describe import acknowledgement, describe_step
from rokcsi.pipeline.progress import CheckpointTaken, RunEnded, StepEnded, StepSkipped, VolumeCloned
from rokcsi.pipeline.restore import restore
from rokcsi.pipeline.resume import ResumeFrom
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import MemoryCluster
from tests.unit.pipeline.conftest import Heard


def _statuses(of: Run) -> dict[str, StepStatus]:
    return {step.name: step.status for step in of.steps}


def _version(world: World, id: str | None) -> Version:
    assert id is not None
    return world.catalog.versions.get(id)


def _hashes(cluster: MemoryCluster, notebook: Notebook) -> list[str]:
    return [fingerprint.of_folder(cluster.folder(volume.claim)) for volume in notebook.volumes]


def _failed_run(world: World, lab: Notebook, definition: PipelineDefinition, heard: Heard | None = None) -> Run:
    return run.start(world, lab.name, definition, listener=heard or Heard())


def test_a_failed_step_stops_those_that_need_it_and_all_is_recorded(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    heard = Heard()
    failed = _failed_run(world, lab, definition, heard)

    assert failed.status is RunStatus.FAILED
    assert _statuses(failed) == {
        "load": StepStatus.SUCCEEDED,
        "double": StepStatus.SUCCEEDED,
        "square": StepStatus.SUCCEEDED,
        "join": StepStatus.FAILED,
        "report": StepStatus.SKIPPED,
    }
    join = failed.steps[3].attempts[0]
    assert (join.exit_status, join.log_tail, join.message) == (3, "ValueError: unknown separator\n", "exit status 3")
    assert join.environment["STRICT"] == "yes"
    assert join.environment["FACTOR"] == "2"
    assert join.environment["LANGUAGE"] == "en"
    assert [mount.mount_path for mount in join.mounts] == ["/home/me/work", "/home/me/data", "/home/me/models"]
    assert [mount.claim for mount in join.mounts] == [f"{failed.id}-create-volume-{n}" for n in (1, 2, 3)]
    assert world.catalog.runs.get(failed.id) == failed
    assert [type(event) for event in heard.events].count(VolumeCloned) == 3
    assert [event.step for event in heard.events if isinstance(event, StepSkipped)] == ["report"]
    assert isinstance(heard.events[-1], RunEnded)


def test_every_step_has_a_checkpoint_before_and_after_with_its_reason(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    heard = Heard()
    failed = _failed_run(world, lab, definition, heard)

    versions = world.catalog.versions.list(VersionFilter(failed.pipeline, failed.id))
    assert len(versions) == 8
    for step in failed.steps[:4]:
        (attempt,) = step.attempts
        before, after = _version(world, attempt.before), _version(world, attempt.after)
        assert (before.reason.kind, after.reason.kind) == (ReasonKind.STEP_BEFORE, ReasonKind.STEP_AFTER)
        assert (before.reason.step, before.reason.attempt, before.reason.run) == (step.name, 1, failed.id)
        assert before.reason.exit_status is None
        assert after.reason.exit_status == attempt.exit_status
        assert after.parent == before.id
        assert before.reason.environment == attempt.environment
        assert before.reason.command == attempt.command
        assert [member.object for member in before.members] == [f"{failed.id}_{volume.name}" for volume in lab.volumes]
    taken = {event.version.id for event in heard.events if isinstance(event, CheckpointTaken)}
    assert taken == {version.id for version in versions} | {failed.origin}
    assert _version(world, failed.origin).bucket == NOTEBOOKS_BUCKET
    assert _version(world, failed.steps[0].attempts[0].before).parent == failed.origin
    before_join = _version(world, failed.steps[3].attempts[0].before)
    assert before_join.parent == before_join.same_cut_as
    assert set(before_join.completed_steps) == {"load", "double", "square"}


def test_the_state_before_a_failed_step_is_opened_fixed_and_resumed(
    world: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    untouched = _hashes(cluster, lab)
    failed = _failed_run(world, lab, definition)
    before = failed.steps[3].attempts[0].before
    assert before is not None

    opened = restore(world, before[:8], "fix")
    assert opened.environment["STRICT"] == "yes"
    assert [volume.mount_path for volume in opened.volumes] == [volume.mount_path for volume in lab.volumes]
    (cluster.folder(opened.workspace.claim) / "settings").write_text("separator=plus\n")

    heard = Heard()
    resumed = resume.resume(world, failed.id, ResumeFrom(notebook="fix"), listener=heard)

    assert resumed.status is RunStatus.SUCCEEDED
    assert resumed.id == failed.id
    assert {step.name: len(step.attempts) for step in resumed.steps} == {
        "load": 1,
        "double": 1,
        "square": 1,
        "join": 2,
        "report": 1,
    }
    assert [event.step for event in heard.events if isinstance(event, StepSkipped) and event.reused] == [
        "load",
        "double",
        "square",
    ]
    assert resumed.steps[3].attempts[0].status is StepStatus.FAILED
    assert resumed.steps[3].attempts[1].number == 2
    assert "LANGUAGE" in resumed.steps[4].attempts[0].environment
    assert "STRICT" not in resumed.steps[4].attempts[0].environment
    assert (cluster.folder(resumed.volumes[2].claim) / "report").read_text() == str(2 + 4 + 6 + 1 + 4 + 9)
    assert _hashes(cluster, lab) == untouched
    assert (cluster.folder(opened.workspace.claim) / "settings").read_text() == "separator=plus\n"
    assert {name for name in cluster.left() if "create-volume" in name} == {volume.claim for volume in resumed.volumes}


def test_an_unchanged_volume_is_not_cut_again_between_two_steps(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    load, join = failed.steps[0].attempts[0], failed.steps[3].attempts[0]
    versions = {version.id: version for version in world.catalog.versions.list(VersionFilter())}
    assert versions[load.after or ""].same_cut_as is None
    origin_of_join = versions[join.before or ""].same_cut_as
    assert origin_of_join is not None
    assert versions[origin_of_join].reason.kind is ReasonKind.STEP_AFTER
    assert versions[origin_of_join].concurrent_steps == ()
    assert versions[join.before or ""].reason.step == "join"


def test_a_step_can_be_described_and_acknowledged(world: World, lab: Notebook, definition: PipelineDefinition) -> None:
    failed = _failed_run(world, lab, definition)
    described = describe_step(world, failed.id, "join")
    (attempt,) = described.attempts
    assert [(mount.cloned_as, mount.mount_path) for mount in attempt.attempt.mounts] == [
        ("create-volume-1", "/home/me/work"),
        ("create-volume-2", "/home/me/data"),
        ("create-volume-3", "/home/me/models"),
    ]
    assert attempt.before is not None
    assert attempt.before.url == f"/rok/swift/v1/default/sums/{failed.id}?version={attempt.before.id}"
    text = acknowledgement(world, failed, described.step, attempt.attempt)
    assert attempt.before.url in text
    assert f"rokctl restore {attempt.before.id[:8]}" in text


def test_a_state_that_is_opened_has_the_steps_environment_but_is_not_the_step(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    attempt = failed.steps[3].attempts[0]
    opened = restore(world, attempt.before or "", "opened").environment
    gone = {"ROKCSI_RUN", "ROKCSI_STEP", "ROKCSI_ATTEMPT"}
    assert opened == {name: value for name, value in attempt.environment.items() if name not in gone}
    assert opened["ROKCSI_MARSHAL_DIR"] == failed.marshal_directory


def test_a_run_can_be_resumed_without_a_word_and_fails_again(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    again = resume.resume(world, failed.id)
    assert again.status is RunStatus.FAILED
    assert [len(step.attempts) for step in again.steps] == [1, 1, 1, 2, 0]
    assert again.leg == 2


def test_the_attempts_before_a_resume_still_say_which_clones_they_saw(
    world: World, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    again = resume.resume(world, failed.id)
    first, second = (attempt.attempt for attempt in describe_step(world, failed.id, "join").attempts)
    for attempt, leg in ((first, failed), (second, again)):
        assert [(mount.cloned_as, mount.claim, mount.snapshot) for mount in attempt.mounts] == [
            (volume.name, volume.claim, volume.snapshot) for volume in leg.volumes
        ]
    assert {mount.claim for mount in first.mounts}.isdisjoint(mount.claim for mount in second.mounts)


def test_a_step_named_at_resume_runs_again_with_all_that_needs_it(
    world: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    (cluster.folder(lab.workspace.claim) / "settings").write_text("separator=plus\n")
    done = run.start(world, lab.name, definition)
    assert done.status is RunStatus.SUCCEEDED
    again = resume.resume(world, done.id, ResumeFrom(step="join"))
    assert again.status is RunStatus.SUCCEEDED
    assert [len(step.attempts) for step in again.steps] == [1, 1, 1, 2, 2]


def test_a_checkpoint_of_a_fixed_notebook_knows_which_steps_were_complete(
    world: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    restore(world, failed.steps[3].attempts[0].before or "", "fix")
    (cluster.folder("fix-workspace") / "settings").write_text("separator=plus\n")
    kept = of_notebook(world, "fix")
    resumed = resume.resume(world, failed.id, ResumeFrom(version=kept.id))
    assert resumed.status is RunStatus.SUCCEEDED
    assert len(resumed.steps[0].attempts) == 1


def test_events_of_a_step_come_in_order(world: World, lab: Notebook, definition: PipelineDefinition) -> None:
    heard = Heard()
    failed = _failed_run(world, lab, definition, heard)
    ended = [event.step for event in heard.events if isinstance(event, StepEnded)]
    assert ended[0] == "load"
    assert ended[-1] == "join"
    assert failed.seconds is not None


def test_the_time_that_a_run_lay_before_its_resume_does_not_count(
    world: World, cluster: MemoryCluster, lab: Notebook, definition: PipelineDefinition
) -> None:
    failed = _failed_run(world, lab, definition)
    opened = restore(world, failed.steps[3].attempts[0].before or "", "fix")
    (cluster.folder(opened.workspace.claim) / "settings").write_text("separator=plus\n")
    hour = dt.timedelta(hours=1)
    later = dataclasses.replace(world, now=lambda: dt.datetime.now(dt.UTC) + hour)

    resumed = resume.resume(later, failed.id, ResumeFrom(notebook="fix"))

    assert resumed.finished_at is not None
    assert resumed.finished_at - resumed.created_at > hour
    assert resumed.seconds is not None
    assert 0 < resumed.seconds < hour.total_seconds()
    assert world.catalog.runs.get(failed.id).seconds == resumed.seconds
