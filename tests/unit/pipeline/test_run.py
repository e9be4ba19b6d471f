"""How steps run: side by side, tried again, ended when their time is over, canceled by Ctrl-C."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable

import pytest

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, PoolFull, RecordNotFound, StillInUse
from rokcsi.model.history import Notebook, ReasonKind, TaskKind, TaskStatus
from rokcsi.model.runs import RunStatus, StepStatus
from rokcsi.pipeline import notebook, resume, run
from rokcsi.pipeline.definition import PipelineFileWrong, parse
from rokcsi.pipeline.deletion import delete_run, delete_version
from rokcsi.pipeline.progress import Event, StepStarted, TaskChanged
from rokcsi.pipeline.resume import ResumeFrom
from rokcsi.pipeline.run import RunOptions
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import Container, Failure, MemoryCluster
from tests.unit.pipeline.conftest import Heard

SIDE_BY_SIDE = "name: pair\nsteps:\n- {name: a, command: [meet]}\n- {name: b, command: [meet]}\n"
SLOW = "name: slow\nsteps:\n- {name: a, command: [sleep]%s}\n- {name: b, command: [sleep], needs: a}\n"


def sleep(container: Container) -> int:
    container.say("zzz")
    return 0 if not container.stopped.wait(20) else 1


def _after(world: World, run_id: str) -> list[tuple[str, ...]]:
    versions = world.catalog.versions.list(VersionFilter("pair", run_id))
    return [version.concurrent_steps for version in versions if version.reason.kind is ReasonKind.STEP_AFTER]


def test_two_steps_run_side_by_side_and_their_checkpoints_say_so(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    both = threading.Barrier(2, timeout=20)
    cluster.programs["meet"] = lambda _: both.wait() * 0
    done = run.start(world, lab.name, parse(SIDE_BY_SIDE))
    assert done.status is RunStatus.SUCCEEDED
    versions = {(v.reason.step, v.reason.kind): v for v in world.catalog.versions.list(VersionFilter("pair", done.id))}
    before = [versions[step, ReasonKind.STEP_BEFORE] for step in ("a", "b")]
    assert sorted(version.concurrent_steps for version in before) in ([(), ("a",)], [(), ("b",)])
    assert () in _after(world, done.id)


def test_one_at_a_time_when_asked_for(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    running: list[int] = []
    most: list[int] = []

    def alone(_: Container) -> int:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return 0

    cluster.programs["meet"] = alone
    done = run.start(world, lab.name, parse(SIDE_BY_SIDE), RunOptions(parallelism=1))
    assert done.status is RunStatus.SUCCEEDED
    assert max(most) == 1
    assert _after(world, done.id) == [(), ()]


def test_a_step_that_fails_is_tried_again_as_often_as_it_may(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    tries: list[str] = []

    def third_time(container: Container) -> int:
        tries.append(container.environment["ROKCSI_ATTEMPT"])
        return 0 if len(tries) == 3 else 9

    cluster.programs["luck"] = third_time
    done = run.start(world, lab.name, parse("name: r\nsteps:\n- {name: a, command: [luck], retries: 5}\n"))
    (step,) = done.steps
    assert tries == ["1", "2", "3"]
    assert [(a.number, a.status, a.exit_status) for a in step.attempts] == [
        (1, StepStatus.FAILED, 9),
        (2, StepStatus.FAILED, 9),
        (3, StepStatus.SUCCEEDED, 0),
    ]
    assert all(attempt.before and attempt.after for attempt in step.attempts)
    assert len({attempt.pod for attempt in step.attempts}) == 3


def test_siblings_of_a_failed_step_finish(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    failed = threading.Event()

    def fail(_: Container) -> int:
        failed.set()
        return 1

    cluster.programs["fail"] = fail
    cluster.programs["wait"] = lambda _: 0 if failed.wait(20) else 1
    text = (
        "name: r\nsteps:\n- {name: bad, command: [fail]}\n- {name: good, command: [wait]}\n"
        "- {name: next, command: [wait], needs: good}\n- {name: never, command: [wait], needs: [next, bad]}\n"
    )
    done = run.start(world, lab.name, parse(text))
    assert [step.status for step in done.steps] == [
        StepStatus.FAILED,
        StepStatus.SUCCEEDED,
        StepStatus.SUCCEEDED,
        StepStatus.SKIPPED,
    ]
    assert done.steps[3].message == "it needs step 'bad', which failed"


def test_a_step_is_ended_when_its_time_is_over(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["sleep"] = sleep
    done = run.start(world, lab.name, parse(SLOW % ", timeout: 0.2s"))
    (attempt,) = done.steps[0].attempts
    assert attempt.status is StepStatus.FAILED
    assert attempt.message == "was ended because it took longer than 0.2 s"
    assert attempt.log_tail == "zzz\n"
    assert attempt.after is not None
    assert done.steps[1].status is StepStatus.SKIPPED


class _Interrupts:
    """A listener that presses Ctrl-C when the first step has started."""

    def hear(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            _thread.interrupt_main()


def test_ctrl_c_ends_the_running_steps_and_cancels_the_run(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["sleep"] = sleep
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run.start(world, lab.name, parse(SLOW % ""), listener=_Interrupts())
    assert time.monotonic() - begun < 15
    (canceled,) = world.catalog.runs.list()
    assert canceled.status is RunStatus.CANCELED
    assert [step.status for step in canceled.steps] == [StepStatus.CANCELED, StepStatus.CANCELED]
    assert canceled.steps[0].attempts[0].status is StepStatus.CANCELED
    assert not [name for name in cluster.left() if name.endswith(("-a-1", "-b-1"))]
    assert world.catalog.tasks.get(canceled.task or "").status is TaskStatus.CANCELED


def test_a_canceled_run_can_be_resumed(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["sleep"] = sleep
    with pytest.raises(KeyboardInterrupt):
        run.start(world, lab.name, parse(SLOW % ""), listener=_Interrupts())
    cluster.programs["sleep"] = lambda _: 0
    (canceled,) = world.catalog.runs.list()
    done = resume.resume(world, canceled.id)
    assert done.status is RunStatus.SUCCEEDED
    assert [len(step.attempts) for step in done.steps] == [2, 1]


def test_progress_goes_up_to_100_and_never_back(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["meet"] = lambda _: 0
    heard = Heard()
    run.start(world, lab.name, parse(SIDE_BY_SIDE), listener=heard)
    told: dict[str, list[int]] = {}
    for event in heard.events:
        if isinstance(event, TaskChanged):
            told.setdefault(event.task.id, []).append(event.task.progress)
    assert len(told) >= 4
    for progress in told.values():
        assert progress == sorted(progress)
        assert progress[-1] == 100


def test_a_step_whose_checkpoint_cannot_be_taken_fails_and_says_so(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    def fill_up(_: Container) -> int:
        calls = cluster.calls
        cluster.failure = Failure(len(calls) + len(["claim"] * 3), PoolFull("the pool is full"))
        return 0

    cluster.programs["meet"] = fill_up
    done = run.start(world, lab.name, parse("name: r\nsteps:\n- {name: a, command: [meet]}\n"))
    (attempt,) = done.steps[0].attempts
    assert attempt.status is StepStatus.FAILED
    assert attempt.message == "exit status 0, but the checkpoint after it could not be taken: the pool is full"
    assert done.status is RunStatus.FAILED


def test_a_step_works_where_the_file_says_and_sees_only_what_was_declared(
    world: World, cluster: MemoryCluster, lab: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", "hush")
    cluster.programs["meet"] = lambda _: 0
    text = (
        "name: r\nparameters: {SEED: 1}\nworking_directory: code\nvolumes: {data: {mount_path: /input, readonly: true}}\n"
        "steps:\n- {name: a, command: [meet]}\n- {name: b, command: [meet], working_directory: /input}\n"
    )
    done = run.start(world, lab.name, parse(text), RunOptions(parameters={"SEED": "7"}))
    a, b = (step.attempts[0] for step in done.steps)
    assert (a.working_directory, b.working_directory) == ("/home/me/work/code", "/input")
    assert [(mount.mount_path, mount.readonly) for mount in a.mounts] == [
        ("/home/me/work", False),
        ("/input", True),
        ("/home/me/models", False),
    ]
    assert a.environment == {
        "LANGUAGE": "en",
        "SEED": "7",
        "ROKCSI_PIPELINE": "r",
        "ROKCSI_RUN": done.id,
        "ROKCSI_STEP": "a",
        "ROKCSI_ATTEMPT": "1",
        "ROKCSI_WORKSPACE": "/home/me/work",
        "ROKCSI_MARSHAL_DIR": "/home/me/work/.r.rokcsi.marshal.dir",
    }


@pytest.mark.parametrize(
    ("text", "parameters", "complaint"),
    [
        (
            "volumes: {dta: {mount_path: /x}}",
            {},
            r"pipeline\.yaml:2:16: volumes\.dta: the notebook has no volume 'dta'; did you mean 'data'",
        ),
        (
            "volumes: {data: {mount_path: /home/me/work}}",
            {},
            r"yaml:2:17: volumes\.data: 'workspace' and 'data' would both be at",
        ),
        (
            "volumes: {workspace: {readonly: true}}",
            {},
            r"yaml:2:22: volumes\.workspace: the workspace .* cannot be read-only",
        ),
        ("parameters: {SEED: 1}", {"SED": "2"}, "no parameter 'SED'; did you mean 'SEED'"),
    ],
)
def test_what_does_not_fit_the_notebook_is_refused_before_anything_is_made(
    world: World, cluster: MemoryCluster, lab: Notebook, text: str, parameters: dict[str, str], complaint: str
) -> None:
    definition = parse(f"name: r\n{text}\nsteps:\n- {{name: a, command: [meet]}}\n")
    calls = list(cluster.calls)
    with pytest.raises(InvalidRequest, match=complaint):
        run.start(world, lab.name, definition, RunOptions(parameters=parameters))
    assert cluster.calls == calls
    assert world.catalog.runs.list() == []
    assert world.catalog.versions.list(VersionFilter()) == []
    assert [task.kind for task in world.catalog.tasks.list()] == [TaskKind.CREATE_NOTEBOOK]


def test_a_resume_whose_file_does_not_fit_the_notebook_takes_no_checkpoint(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    cluster.programs["meet"] = lambda _: 1
    steps = "steps:\n- {name: a, command: [meet]}\n"
    failed = run.start(world, lab.name, parse(f"name: r\n{steps}"))
    versions = world.catalog.versions.list(VersionFilter())
    wrong = parse(f"name: r\n{steps}volumes: {{nope: {{readonly: true}}}}\n")
    for where in (ResumeFrom(notebook=lab.name), ResumeFrom()):
        with pytest.raises(PipelineFileWrong, match=r"pipeline\.yaml:4:17: volumes\.nope: the notebook has no volume"):
            resume.resume(world, failed.id, where, wrong)
    assert world.catalog.versions.list(VersionFilter()) == versions
    assert world.catalog.runs.get(failed.id) == failed


def test_a_run_that_goes_on_and_its_versions_cannot_be_deleted(
    world: World, cluster: MemoryCluster, lab: Notebook
) -> None:
    refused: list[str] = []

    def try_it(container: Container) -> int:
        deeds: tuple[Callable[[], object], ...] = (
            lambda: delete_run(world, container.environment["ROKCSI_RUN"]),
            lambda: resume.resume(world, container.environment["ROKCSI_RUN"]),
            lambda: delete_version(world, world.catalog.versions.list(VersionFilter())[-1].id),
            lambda: delete_version(world, world.catalog.versions.list(VersionFilter())[0].id),
        )
        for deed in deeds:
            with pytest.raises(StillInUse) as caught:
                deed()
            refused.append(str(caught.value))
        return 0

    cluster.programs["meet"] = try_it
    done = run.start(world, lab.name, parse("name: r\nsteps:\n- {name: a, command: [meet]}\n"))
    assert done.status is RunStatus.SUCCEEDED
    assert len(refused) == 4


def test_what_cannot_be_resumed_is_refused_with_a_word(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    cluster.programs["meet"] = lambda _: 0
    definition = parse(SIDE_BY_SIDE)
    first, second = (run.start(world, lab.name, definition) for _ in range(2))
    notebook_of_its_own = notebook.create(
        world, notebook.NewNotebook("other", (notebook.NewNotebookVolume("workspace", "/w"),))
    )
    refusals: dict[str, Callable[[], object]] = {
        "there is no run": lambda: resume.resume(world, "nothing"),
        "no step of run .* has failed": lambda: resume.resume(world, first.id),
        "has no step 'c'": lambda: resume.resume(world, first.id, ResumeFrom(step="c")),
        "is not of run": lambda: resume.resume(world, first.id, ResumeFrom(version=second.steps[0].attempts[0].before)),
        "was not restored from": lambda: resume.resume(world, first.id, ResumeFrom(notebook=notebook_of_its_own.name)),
        "not both": lambda: resume.resume(world, first.id, ResumeFrom(notebook="lab", version="abcdef")),
        "this file is of 'r'": lambda: resume.resume(
            world, first.id, definition=parse("name: r\nsteps:\n- {name: a, command: b}\n")
        ),
    }
    for said, deed in refusals.items():
        with pytest.raises((InvalidRequest, RecordNotFound), match=said):
            deed()
    assert world.catalog.runs.get(first.id) == first
