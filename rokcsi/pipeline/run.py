"""Runs a pipeline file on clones of a notebook's volumes; the notebook itself is never written to.

The story: the run is recorded; the notebook's volumes are cut at one instant; each is
cloned (`create-volume-1` …); the steps run on the clones with a checkpoint around each.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Notebook, ReasonKind, TaskKind, TaskStatus, Version
from rokcsi.model.runs import Run, RunStatus, Step
from rokcsi.pipeline.checkpoint import Words, of_opened_notebook
from rokcsi.pipeline.clones import clone_volumes
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.leg import Leg, Serialized, record_canceled
from rokcsi.pipeline.mounts import chosen_parameters, wished_mounts
from rokcsi.pipeline.notebook import ready_notebook
from rokcsi.pipeline.progress import SILENT, Listener, RunEnded, RunStarted
from rokcsi.pipeline.tasks import Progress, Subject, following
from rokcsi.pipeline.world import World

MOST_PARALLEL = 64


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: at most `parallelism` steps at once; `words` go to the checkpoint of the notebook."""

    parallelism: int = 4
    parameters: Mapping[str, str] = field(default_factory=dict)
    words: Words = field(default_factory=Words)

    def __post_init__(self) -> None:
        if not 1 <= self.parallelism <= MOST_PARALLEL:
            raise InvalidRequest(f"the parallelism must be from 1 to {MOST_PARALLEL}, not {self.parallelism}")


def start(
    world: World,
    notebook: str,
    definition: PipelineDefinition,
    options: RunOptions | None = None,
    listener: Listener = SILENT,
) -> Run:
    """Run a pipeline to its end; give the run, whose status tells whether its steps succeeded.

    Raises RecordNotFound and InvalidRequest before anything is made, and what the cluster raises before the first step;
    the record of the run then says so, and its volumes are gone. Ctrl-C cancels it.
    """
    options = options or RunOptions()
    listener = Serialized(listener)
    source = ready_notebook(world, notebook)
    wished_mounts(source.volumes, definition)
    run = _new_run(world, source, definition, options)
    subject = Subject(TaskKind.RUN, run.pipeline, run.id, run.id)
    with following(world, subject, listener) as progress:
        run = dataclasses.replace(run, task=progress.task.id)
        world.catalog.runs.add(run)
        listener.hear(RunStarted(run))
        with recorded_end(world, run):
            origin = _checkpoint(world, source, run, options.words, progress, listener)
            run = clone_volumes(world, run, origin, definition, progress, listener)
            leg = Leg(world, run, definition, origin, (), options.parallelism, listener)
            return conclude(world, leg.go(progress), progress, listener)


class recorded_end:  # noqa: N801 - a context manager, used as a verb
    """Records how a run ended when the `with` block does not come to its end."""

    def __init__(self, world: World, run: Run) -> None:
        self._world, self._run = world, run

    def __enter__(self) -> None:
        """Nothing is known yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Record a failure with its text; Ctrl-C as canceled."""
        if error is None:
            return
        failed = isinstance(error, Exception)
        why = str(error) if failed else "the run was canceled"
        run = self._world.catalog.runs.get(self._run.id)
        record_canceled(self._world, run, why)
        status = RunStatus.FAILED if failed else RunStatus.CANCELED
        ended = dataclasses.replace(run, status=status, message=why, finished_at=self._world.now())
        self._world.catalog.runs.save(ended)


def conclude(world: World, run: Run, progress: Progress, listener: Listener) -> Run:
    """Record the end of a run whose steps are over, and tell of it."""
    world.catalog.runs.save(run)
    if run.status is not RunStatus.SUCCEEDED:
        progress.ended(TaskStatus.ERROR, run.message)
    listener.hear(RunEnded(run))
    return run


def _new_run(world: World, notebook: Notebook, definition: PipelineDefinition, options: RunOptions) -> Run:
    return Run(
        id=f"{definition.name}-{secrets.token_hex(4)}",
        pipeline=definition.name,
        notebook=notebook.name,
        created_at=world.now(),
        definition=definition.source,
        parameters=chosen_parameters(definition, options.parameters),
        environment=notebook.environment,
        working_directory=notebook.working_directory,
        steps=tuple(Step(step.name, step.needs) for step in definition.steps),
        author=options.words.author or world.author,
    )


def _checkpoint(
    world: World, notebook: Notebook, run: Run, words: Words, progress: Progress, listener: Listener
) -> Version:
    progress.reached(2, f"taking a checkpoint of notebook {notebook.name}")
    titled = dataclasses.replace(words, title=words.title or f"Run {run.id} of notebook {notebook.name!r}")
    return of_opened_notebook(world, notebook, ReasonKind.NOTEBOOK, run.id, titled, listener)
