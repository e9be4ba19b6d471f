"""The middle of the story: a run on clones, a step that fails, the state before it, the repair, the resume."""

from __future__ import annotations

import difflib
import itertools
from pathlib import Path

from demo import project
from demo.stage import FAILING, NOTEBOOK, REPAIR, Stage
from demo.telling import a_table, lasting
from rokcsi.model.history import Notebook, ReasonKind, Version
from rokcsi.model.runs import Attempt, Run, RunStatus, StepStatus
from rokcsi.pipeline.names import without_attempt

EARLIER = ("load", "split", "train-svm", "train-forest")
WRONG = "recall_score(truth, guess)"
RIGHT = 'recall_score(truth, guess, average="macro")'


def run_pipeline(stage: Stage) -> Run:
    """Run the pipeline on clones of the volumes; one step fails."""
    tell = stage.teller
    why = "Each volume is cloned for the run. Six steps, two at a time, and a checkpoint before and after each."
    with tell.part("A run, on clones", why):
        tell.command(f"rokctl run examples/digits/pipeline.yaml --notebook {NOTEBOOK}")
        with stage.painter() as painter:
            run = stage.session.run(project.EXAMPLE / "pipeline.yaml", notebook=NOTEBOOK, listener=painter)
        _show_steps(stage, run)
        names = [clone.name for clone in run.volumes]
        slowest = max(clone.seconds for clone in run.volumes)
        tell.claim(
            f"the three volumes were cloned, the slowest in {lasting(slowest)}",
            holds=names == ["create-volume-1", "create-volume-2", "create-volume-3"],
            otherwise=str(names),
        )
        svm, forest = (_attempt(run, name) for name in ("train-svm", "train-forest"))
        tell.claim("the two models were trained at the same time", holds=_overlap(svm, forest))
        _check_checkpoints(stage, run)
    return run


def _show_steps(stage: Stage, run: Run) -> None:
    table = a_table("step", "attempts", "status", "exit", "took", "checkpoint before", "after")
    for step in run.steps:
        last = step.last
        colour = {StepStatus.SUCCEEDED: "green", StepStatus.FAILED: "red"}.get(step.status, "dim")
        facts = ("", "", "", "")
        if last is not None:
            facts = (str(last.exit_status), lasting(last.seconds or 0), (last.before or "")[:8], (last.after or "")[:8])
        table.add_row(step.name, str(len(step.attempts)), f"[{colour}]{step.status}[/]", *facts)
    stage.teller.show(table)


def _attempt(run: Run, name: str) -> Attempt:
    step = run.step(name)
    if step is None or step.last is None:
        raise LookupError(f"step {name} of run {run.id} was never begun")
    return step.last


def _overlap(one: Attempt, other: Attempt) -> bool:
    times = (one.started_at, one.finished_at, other.started_at, other.finished_at)
    begin, end, begin2, end2 = (moment.timestamp() if moment else 0.0 for moment in times)
    return begin < end2 and begin2 < end


def _check_checkpoints(stage: Stage, run: Run) -> None:
    """Each step that was begun has a checkpoint before and after it, with all the reasons on record."""
    found = 0
    for name, attempt in [(step.name, attempt) for step in run.steps for attempt in step.attempts]:
        for filed, kind in ((attempt.before, ReasonKind.STEP_BEFORE), (attempt.after, ReasonKind.STEP_AFTER)):
            found += _is_told(stage.session.find(filed or ""), kind, run, name, attempt)
    begun = sum(len(step.attempts) for step in run.steps)
    text = f"{found} checkpoints tell their step, attempt, exit status, command, environment, mounts and commit"
    stage.teller.claim(text, holds=begun > 0 and found == 2 * begun, otherwise=f"{begun} attempts")


def _is_told(version: Version, kind: ReasonKind, run: Run, step: str, attempt: Attempt) -> bool:
    reason = version.reason
    status = attempt.exit_status if kind is ReasonKind.STEP_AFTER else None
    named = (reason.kind, reason.run, reason.step, reason.attempt) == (kind, run.id, step, attempt.number)
    paths = {member.volume: member.mount_path for member in version.members}
    return (
        named
        and reason.exit_status == status
        and reason.command == attempt.command
        and reason.environment["ROKCSI_STEP"] == step
        and reason.commit is not None
        and paths == {name: f"/mnt/{name}" for name in ("workspace", "data", "models")}
    )


def show_failure(stage: Stage, run: Run) -> Version:
    """Show why the step failed; give the checkpoint before it."""
    tell = stage.teller
    why = "The code asks for the recall as if there were two classes. There are ten."
    with tell.part("One step fails, for a real reason", why):
        failed = _attempt(run, FAILING)
        tell.command(f"rokctl logs {run.id}/{FAILING}")
        tell.quote(stage.session.log(run, FAILING).strip().splitlines()[-1])
        tell.claim(f"step {FAILING} failed, with exit status 1", holds=failed.exit_status == 1)
        report = run.step("report")
        skipped = report is not None and report.status is StepStatus.SKIPPED and not report.attempts
        tell.claim("the step after it was not begun", holds=skipped and run.status is RunStatus.FAILED)
        return stage.session.find(failed.before or "")


def open_state(stage: Stage, run: Run, before: Version) -> Notebook:
    """Open the execution state before the failed step beside everything else."""
    tell = stage.teller
    why = "Same files, same environment, in a new notebook; nothing that exists is touched."
    with tell.part("The state before that step, opened side by side", why):
        tell.command(f"rokctl restore {before.id[:8]} --as {REPAIR}")
        with stage.painter() as painter:
            notebook = stage.session.restore(before, name=REPAIR, listener=painter)
        folders = stage.folders(notebook)
        hidden = folders["workspace"] / Path(run.marshal_directory).name
        tell.claim(
            "it has what the earlier steps left behind: both models, and the halves in the hidden folder",
            holds=(hidden / "halves.npz").is_file() and {"svm.joblib", "forest.joblib"} <= _names(folders["models"]),
        )
        tell.claim(
            f"it has the step's environment ({len(notebook.environment)} variables)",
            holds=notebook.environment == without_attempt(_attempt(run, FAILING).environment),
        )
        stage.execute(REPAIR, ".venv/bin/python", "-c", "import sklearn, numpy")
        tell.claim("its Python environment works, since it lives inside the volume", holds=True)
    return notebook


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def repair(stage: Stage) -> None:
    """Change one word of one file, and commit it."""
    tell = stage.teller
    with tell.part("The repair", "One file, in the restored notebook."):
        workspace = stage.folders(REPAIR)["workspace"]
        file = workspace / "steps" / "compare.py"
        before = file.read_text(encoding="utf-8")
        after = before.replace(WRONG, RIGHT)
        file.write_text(after, encoding="utf-8")
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "compare.py", "compare.py", n=1, lineterm=""
        )
        tell.difference("\n".join(itertools.islice(lines, 2, None)))
        project.commit(workspace, "Ask for the recall of all ten classes")
        tell.claim("the file is another one now", holds=before != after)


def resume(stage: Stage, failed: Run) -> Run:
    """Go on with the run from there."""
    tell = stage.teller
    why = "The run goes on where it stopped, on the repaired files."
    with tell.part("Resume", why):
        tell.command(f"rokctl resume {failed.id} --notebook {REPAIR}")
        with stage.painter() as painter:
            run = stage.session.resume(failed, notebook=REPAIR, listener=painter)
        _show_steps(stage, run)
        tell.claim(f"run {run.id} has succeeded", holds=run.status is RunStatus.SUCCEEDED, otherwise=run.message)
        once = all(len(step.attempts) == 1 for step in run.steps if step.name in EARLIER)
        earlier = [_attempt(failed, name) for name in EARLIER]
        kept = once and [_attempt(run, name) for name in EARLIER] == earlier
        saved = sum(attempt.seconds or 0 for attempt in earlier)
        tell.claim(f"the four earlier steps were not run again ({lasting(saved)} saved)", holds=kept)
        attempts = {step.name: len(step.attempts) for step in run.steps}
        tell.claim(f"{FAILING} took two attempts, report one", holds=(attempts[FAILING], attempts["report"]) == (2, 1))
    return run
