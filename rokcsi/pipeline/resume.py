"""Goes on with a run from an execution state, usually one that was opened and fixed in a notebook.

Steps that had succeeded when that state was cut are not run again, the others are; their
attempts are numbered on. The run gets new clones; those of the leg before are removed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from rokcsi.model.errors import InvalidRequest, RecordNotFound, StillInUse
from rokcsi.model.history import ReasonKind, TaskKind, Version
from rokcsi.model.runs import Run, RunStatus, StepStatus
from rokcsi.pipeline import dag
from rokcsi.pipeline.checkpoint import of_opened_notebook, origin_of
from rokcsi.pipeline.clones import clone_volumes
from rokcsi.pipeline.definition import PipelineDefinition, parse
from rokcsi.pipeline.deletion import remove_claims, run_is_alive, stop_pods
from rokcsi.pipeline.find import find_version
from rokcsi.pipeline.leg import Leg, Serialized
from rokcsi.pipeline.mounts import chosen_parameters, wished_mounts
from rokcsi.pipeline.notebook import ready_notebook
from rokcsi.pipeline.progress import SILENT, Listener, RunStarted
from rokcsi.pipeline.run import RunOptions, conclude, recorded_end
from rokcsi.pipeline.tasks import Subject, following, undone_on_failure
from rokcsi.pipeline.world import World
from rokcsi.pipeline.yaml_fields import nearest


@dataclass(frozen=True, slots=True)
class ResumeFrom:
    """Where to go on: with a notebook's volumes, or a version's; without both, from before the failed step.

    `step` is run again, and all that needs it, even where it had succeeded.
    """

    notebook: str | None = None
    version: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class _State:
    origin: Version
    completed: tuple[str, ...]


def resume(
    world: World,
    run_id: str,
    where: ResumeFrom | None = None,
    definition: PipelineDefinition | None = None,
    options: RunOptions | None = None,
    listener: Listener = SILENT,
) -> Run:
    """Go on with a run, under the same id, to its end; give the run.

    `definition` takes the place of the run's own pipeline file. Raises RecordNotFound,
    InvalidRequest, and StillInUse while the run is going on. When it fails before the first
    step, the run is as it was. Ctrl-C cancels it.
    """
    where, options, listener = where or ResumeFrom(), options or RunOptions(), Serialized(listener)
    before = _resumable(world, run_id)
    definition = definition or _own_definition(before)
    _check(before, where, definition)
    parameters = chosen_parameters(definition, {**_still_known(before, definition), **options.parameters})
    with following(world, Subject(TaskKind.RUN, before.pipeline, run_id, run_id), listener) as progress:
        run = dataclasses.replace(
            before,
            status=RunStatus.RUNNING,
            message="",
            leg=before.leg + 1,
            definition=definition.source,
            parameters=parameters,
            finished_at=None,
            idle_seconds=before.idle_seconds + _lain_seconds(world, before),
            task=progress.task.id,
        )
        world.catalog.runs.save(run)
        with undone_on_failure(lambda: world.catalog.runs.save(before)):
            listener.hear(RunStarted(run))
            state = _state(world, before, where, definition, options, listener)
            run = clone_volumes(world, run, state.origin, definition, progress, listener)
        with recorded_end(world, run):
            stop_pods(world, run)
            remove_claims(world, before, keep=frozenset(volume.claim for volume in run.volumes))
            leg = Leg(world, run, definition, state.origin, state.completed, options.parallelism, listener)
            return conclude(world, leg.go(progress), progress, listener)


def _own_definition(run: Run) -> PipelineDefinition:
    if not run.definition:
        raise InvalidRequest(
            f"the pipeline file of run {run.id} was lost with the catalogue; give it with --pipeline FILE"
        )
    return parse(run.definition, f"the pipeline file of run {run.id}")


def _lain_seconds(world: World, run: Run) -> float:
    return 0.0 if run.finished_at is None else (world.now() - run.finished_at).total_seconds()


def _resumable(world: World, run_id: str) -> Run:
    try:
        run = world.catalog.runs.get(run_id)
    except RecordNotFound as error:
        raise RecordNotFound(f"there is no run {run_id[:60]!r}; `rokctl get runs` lists them") from error
    if run.status is RunStatus.DELETING or (run.status is RunStatus.RUNNING and run_is_alive(world, run)):
        raise StillInUse(f"run {run_id} is {run.status}; wait until that is over")
    return run


def _check(run: Run, where: ResumeFrom, definition: PipelineDefinition) -> None:
    if where.notebook is not None and where.version is not None:
        raise InvalidRequest("give a notebook or a version to resume from, not both")
    if definition.name != run.pipeline:
        raise InvalidRequest(f"run {run.id} is of pipeline {run.pipeline!r}; this file is of {definition.name!r}")
    if where.step is not None and where.step not in definition.needs:
        raise InvalidRequest(
            f"pipeline {definition.name!r} has no step {where.step[:60]!r}{nearest(where.step, definition.needs)};"
            f" it has {', '.join(definition.needs)}"
        )


def _still_known(run: Run, definition: PipelineDefinition) -> dict[str, str]:
    return {name: value for name, value in run.parameters.items() if name in definition.parameters}


def _state(
    world: World, run: Run, where: ResumeFrom, definition: PipelineDefinition, options: RunOptions, listener: Listener
) -> _State:
    """Give the version to clone, and the steps that need not run again there."""
    if where.notebook is not None:
        origin = _of_notebook(world, run, where.notebook, definition, options, listener)
    elif where.version is not None:
        origin = find_version(world, where.version).version
    else:
        origin = _before_step(world, run, where.step or _first_failed(run))
    return _State(origin, _completed(run, origin, where, definition))


def _of_notebook(
    world: World, run: Run, name: str, definition: PipelineDefinition, options: RunOptions, listener: Listener
) -> Version:
    notebook = ready_notebook(world, name)
    wished_mounts(notebook.volumes, definition)
    restored = origin_of(world, notebook)
    if notebook.name != run.notebook and (restored is None or restored.reason.run != run.id):
        raise InvalidRequest(
            f"notebook {name!r} was not restored from a checkpoint of run {run.id}; restore one with "
            f"`rokctl restore VERSION --name NOTEBOOK`, fix it, and resume from that"
        )
    return of_opened_notebook(world, notebook, ReasonKind.NOTEBOOK, run.id, options.words, listener)


def _before_step(world: World, run: Run, name: str) -> Version:
    step = run.step(name)
    before = next((attempt.before for attempt in reversed(step.attempts) if attempt.before), None) if step else None
    if before is None:
        raise InvalidRequest(f"step {name!r} of run {run.id} was never begun; name an earlier step, or a version")
    return world.catalog.versions.get(before)


def _first_failed(run: Run) -> str:
    for status in (StepStatus.FAILED, StepStatus.CANCELED):
        for step in run.steps:
            if step.status is status and step.attempts:
                return step.name
    raise InvalidRequest(f"no step of run {run.id} has failed; name the step to resume from")


def _completed(run: Run, origin: Version, where: ResumeFrom, definition: PipelineDefinition) -> tuple[str, ...]:
    """Give the steps done at that cut, less the one wished for and all that needs it."""
    if origin.reason.run != run.id:
        raise InvalidRequest(
            f"version {origin.id} is not of run {run.id}; `rokctl get versions --run {run.id}` lists those that are"
        )
    again = dag.downstream(definition.needs, [where.step] if where.step is not None else [])
    # A step that the (new) file no longer has, or one after a step that must run again, does not count.
    missing = [step for step in definition.needs if step not in origin.completed_steps]
    again |= dag.downstream(definition.needs, missing)
    return tuple(step for step in origin.completed_steps if step in definition.needs and step not in again)
