"""One leg of a run, from its start or a resume to its end: the steps, in threads, in the order of their needs.

A step that fails stops those that need it; the others go on. Ctrl-C ends the steps that
run, and the run is canceled; nothing of it goes on afterwards.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Version
from rokcsi.model.runs import Attempt, Run, RunStatus, Step, StepStatus
from rokcsi.pipeline import dag
from rokcsi.pipeline.attempt import AttemptOfStep
from rokcsi.pipeline.definition import PipelineDefinition, StepDefinition
from rokcsi.pipeline.moment import Moment
from rokcsi.pipeline.progress import Event, Listener, StepSkipped
from rokcsi.pipeline.tasks import Progress
from rokcsi.pipeline.world import World

_CLONED_PERCENT = 10
_WAKES_AFTER_SECONDS = 0.5


class Serialized:
    """Lets a listener hear one event at a time."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._lock = listener, threading.Lock()

    def hear(self, event: Event) -> None:
        """Pass an event on."""
        with self._lock:
            self._listener.hear(event)


class Leg:
    """Runs the steps that `completed` leaves over, on the run's volumes."""

    def __init__(  # noqa: PLR0917 - what a leg is made of
        self,
        world: World,
        run: Run,
        definition: PipelineDefinition,
        origin: Version,
        completed: Sequence[str],
        parallelism: int,
        listener: Listener,
    ) -> None:
        self._world, self._run, self._definition, self._origin = world, run, definition, origin
        self._parallelism, self._listener = parallelism, listener
        self._moment = Moment(completed)
        self._attempts = {step.name: len(step.attempts) for step in run.steps}

    def go(self, progress: Progress) -> Run:
        """Run until every step that can has ended; give the run as it is then, its end not yet saved."""
        self._lay_out()
        pool = ThreadPoolExecutor(self._parallelism, thread_name_prefix=self._run.id)
        try:
            self._run_steps(pool, progress)
        except BaseException:
            self._cancel(pool)
            raise
        pool.shutdown()
        return self._ended()

    def _lay_out(self) -> None:
        """Record the steps as this leg finds them."""
        for step in self._definition.steps:
            reused = step.name in self._moment.completed
            status = StepStatus.SUCCEEDED if reused else StepStatus.PENDING
            self._save(step, status, "succeeded in an earlier leg" if reused and self._run.leg > 1 else "")
            if reused:
                self._listener.hear(StepSkipped(self._run.id, step.name, reused=True, why="it had succeeded before"))
        for dropped in self._run.steps:
            if dropped.name not in self._definition.needs:
                gone = dataclasses.replace(dropped, status=StepStatus.SKIPPED, message="no longer in the pipeline file")
                self._world.catalog.runs.save_step(self._run.id, gone)

    def _run_steps(self, pool: ThreadPoolExecutor, progress: Progress) -> None:
        steps = {step.name: step for step in self._definition.steps}
        begun: set[str] = set(self._moment.completed)
        running: dict[Future[StepStatus], str] = {}
        while True:
            for name in dag.ready(self._definition.needs, begun, self._moment.completed):
                begun.add(name)
                running[pool.submit(self._run_step, steps[name])] = name
            if not running:
                return
            # Ctrl-C may be delivered to another thread than this one, which then learns of it when it next wakes.
            for future in wait(running, _WAKES_AFTER_SECONDS, FIRST_COMPLETED).done:
                name = running.pop(future)
                self._skip_after(name, future.result(), begun)
                done = len(begun) - len(running)
                percent = _CLONED_PERCENT + (99 - _CLONED_PERCENT) * done // len(steps)
                progress.reached(percent, f"step {name} {future.result()}")

    def _run_step(self, step: StepDefinition) -> StepStatus:
        """Try a step until it succeeds or its retries are used up."""
        self._save(step, StepStatus.RUNNING, "")
        carrier = AttemptOfStep(
            self._world, self._run, self._definition, step, self._moment, self._origin.reason.commit, self._listener
        )
        for _ in range(step.retries + 1):
            self._attempts[step.name] = self._attempts.get(step.name, 0) + 1
            attempt = carrier.carry_out(self._attempts[step.name])
            if attempt.status is not StepStatus.FAILED or self._moment.canceled:
                break
        self._save(step, attempt.status, attempt.message)
        return attempt.status

    def _skip_after(self, name: str, status: StepStatus, begun: set[str]) -> None:
        """Give up the steps that need one that did not succeed."""
        if status is StepStatus.SUCCEEDED:
            return
        lost = dag.downstream(self._definition.needs, [name]) - begun
        for step in self._definition.steps:
            if step.name in lost:
                why = f"it needs step {name!r}, which {status}"
                begun.add(step.name)
                self._save(step, StepStatus.SKIPPED, why)
                self._listener.hear(StepSkipped(self._run.id, step.name, reused=False, why=why))

    def _cancel(self, pool: ThreadPoolExecutor) -> None:
        """End the steps that run, wait for their threads, and record what is so."""
        for pod in self._moment.cancel():
            try:
                self._world.cluster.delete_pod(pod)
            except RokcsiError:  # the thread that waits for it hears the same and notes it
                continue
        pool.shutdown(cancel_futures=True)
        record_canceled(self._world, self._world.catalog.runs.get(self._run.id), "the run was canceled")

    def _ended(self) -> Run:
        run = self._world.catalog.runs.get(self._run.id)
        asked = [step for step in run.steps if step.name in self._definition.needs]
        bad = [step for step in asked if step.status is not StepStatus.SUCCEEDED]
        failed = [step for step in bad if step.status is StepStatus.FAILED]
        message = "; ".join(f"step {step.name!r}: {step.message}" for step in failed)
        status = RunStatus.FAILED if bad else RunStatus.SUCCEEDED
        return dataclasses.replace(run, status=status, message=message, finished_at=self._world.now())

    def _save(self, step: StepDefinition, status: StepStatus, message: str) -> None:
        self._world.catalog.runs.save_step(self._run.id, Step(step.name, step.needs, status, message=message))


def record_canceled(world: World, run: Run, why: str) -> None:
    """Record that what was running, or waiting to, will not go on."""
    for step in run.steps:
        if step.status not in {StepStatus.RUNNING, StepStatus.PENDING}:
            continue
        world.catalog.runs.save_step(run.id, dataclasses.replace(step, status=StepStatus.CANCELED, message=why))
        for attempt in step.attempts:
            if attempt.status in {StepStatus.RUNNING, StepStatus.PENDING}:
                world.catalog.runs.save_attempt(run.id, step.name, _canceled(world, attempt, why))


def _canceled(world: World, attempt: Attempt, why: str) -> Attempt:
    return dataclasses.replace(attempt, status=StepStatus.CANCELED, message=why, finished_at=world.now())
