"""One attempt of a step: a checkpoint just before, its pod, a checkpoint just after, and the record of all that."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.cluster import NewPod, Pod, PodPhase
from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Commit, Reason, ReasonKind, Version
from rokcsi.model.runs import Attempt, Run, StepStatus
from rokcsi.pipeline import mounts
from rokcsi.pipeline.checkpoint import NewCheckpoint, same_again, take
from rokcsi.pipeline.definition import PipelineDefinition, StepDefinition
from rokcsi.pipeline.moment import Moment, RunCanceled
from rokcsi.pipeline.names import RUN_LABEL
from rokcsi.pipeline.progress import Listener, StepEnded, StepStarted
from rokcsi.pipeline.world import World

_TAIL_BYTES = 4096


@dataclass(slots=True)
class AttemptOfStep:
    """Carries out the attempts of one step; `commit` is what the workspace's git repository had checked out."""

    world: World
    run: Run
    definition: PipelineDefinition
    step: StepDefinition
    moment: Moment
    commit: Commit | None
    listener: Listener

    def carry_out(self, number: int) -> Attempt:
        """Run the step once; give the finished attempt, whatever its end. Raises what the catalogue raises."""
        attempt = self._save(self._planned(number))
        started = False
        try:
            attempt = self._started(attempt)
            started = True
            attempt = self._waited(attempt)
            attempt = self._finished(attempt)
        except RunCanceled:
            attempt = self._given_up(attempt, StepStatus.CANCELED, "the run was canceled")
        except RokcsiError as error:
            attempt = self._after_error(attempt, error)
        if started or attempt.status is StepStatus.FAILED:
            self.listener.hear(StepEnded(self.run.id, self.step.name, attempt))
        return attempt

    def _planned(self, number: int) -> Attempt:
        return Attempt(
            number=number,
            pod=f"{self.run.id}-{self.step.name}-{number}",
            command=self.step.command,
            environment=mounts.environment(self.run, self.definition, self.step, number),
            working_directory=mounts.working_directory(self.run, self.definition, self.step),
            mounts=mounts.mounted_volumes(self.run.volumes),
        )

    def _started(self, attempt: Attempt) -> Attempt:
        """Take the checkpoint and start the pod, with nothing in between."""
        with self.moment.alone():
            if self.moment.canceled:
                raise RunCanceled
            last = self.moment.last
            before = self._checkpoint(attempt, ReasonKind.STEP_BEFORE, last.id if last else self.run.origin)
            attempt = self._save(
                dataclasses.replace(attempt, status=StepStatus.RUNNING, before=before.id, started_at=self.world.now())
            )
            self.moment.starts(self.step.name, attempt.pod)
            self.world.cluster.start_pod(self._pod(attempt))
        self.listener.hear(StepStarted(self.run.id, self.step.name, attempt))
        return attempt

    def _pod(self, attempt: Attempt) -> NewPod:
        return NewPod(
            name=attempt.pod,
            volumes=mounts.pod_volumes(self.run.volumes),
            command=attempt.command,
            environment=attempt.environment,
            working_directory=attempt.working_directory,
            labels={RUN_LABEL: self.run.id},
        )

    def _waited(self, attempt: Attempt) -> Attempt:
        """Wait for the pod's end, or end it when its time is over; its volumes are unmounted then."""
        pod = self.world.cluster.wait_pod(attempt.pod, self.step.timeout_seconds)
        if self.moment.canceled:
            raise RunCanceled
        ended = dataclasses.replace(
            attempt,
            exit_status=pod.exit_status,
            finished_at=pod.finished_at or self.world.now(),
            log=str(pod.log) if pod.log is not None else None,
        )
        if pod.phase is PodPhase.SUCCEEDED:
            return dataclasses.replace(ended, status=StepStatus.SUCCEEDED)
        tail, message = _tail(pod.log), _how_it_failed(pod)
        if not _is_over(pod):
            self.world.cluster.delete_pod(attempt.pod)
            message = f"was ended because it took longer than {self.step.timeout_seconds:g} s"
        return dataclasses.replace(ended, status=StepStatus.FAILED, log_tail=tail, message=message)

    def _finished(self, ended: Attempt) -> Attempt:
        """Take the checkpoint after it; a step counts as completed only together with that."""
        with self.moment.alone():
            self.moment.ended(self.step.name, succeeded=ended.status is StepStatus.SUCCEEDED)
            try:
                after = self._checkpoint(ended, ReasonKind.STEP_AFTER, parent=ended.before)
            except RokcsiError:
                self.moment.ended(self.step.name, succeeded=False)
                raise
        return self._save(dataclasses.replace(ended, after=after.id))

    def _checkpoint(self, attempt: Attempt, kind: ReasonKind, parent: str | None) -> Version:
        """Take a checkpoint, or file one that rests on the last cut when nothing can have changed since."""
        new = NewCheckpoint(
            bucket=self.run.pipeline,
            object=self.run.id,
            volumes=mounts.pod_volumes(self.run.volumes),
            reason=Reason(
                kind=kind,
                run=self.run.id,
                step=self.step.name,
                attempt=attempt.number,
                exit_status=attempt.exit_status if kind is ReasonKind.STEP_AFTER else None,
                command=attempt.command,
                environment=attempt.environment,
                working_directory=attempt.working_directory,
                commit=self.commit,
            ),
            title=title_of(self.step.name, attempt, kind),
            message=self.commit.title if self.commit is not None else "",
            author=self.run.author,
            parent=parent,
            completed_steps=self.moment.completed,
            concurrent_steps=self.moment.running_besides(self.step.name),
        )
        quiet = self.moment.quiet if kind is ReasonKind.STEP_BEFORE else None
        version = same_again(self.world, quiet, new, self.listener) if quiet else take(self.world, new, self.listener)
        self.moment.cut(version)
        return version

    def _after_error(self, attempt: Attempt, error: RokcsiError) -> Attempt:
        """Note an attempt that the world around it failed."""
        if self.moment.canceled:
            return self._given_up(attempt, StepStatus.CANCELED, "the run was canceled")
        if attempt.finished_at is not None:
            said = f"{_end_in_words(attempt.exit_status)}, but the checkpoint after it could not be taken: {error}"
            return self._given_up(attempt, StepStatus.FAILED, said)
        return self._given_up(attempt, StepStatus.FAILED, str(error))

    def _given_up(self, attempt: Attempt, status: StepStatus, message: str) -> Attempt:
        """Make sure that its pod is gone, then note the end."""
        try:
            self.world.cluster.delete_pod(attempt.pod)
        except RokcsiError as error:
            message += f" (and its pod could not be removed: {error})"
        with self.moment.alone():
            self.moment.ended(self.step.name, succeeded=False)
        return self._save(
            dataclasses.replace(
                attempt, status=status, finished_at=attempt.finished_at or self.world.now(), message=message
            )
        )

    def _save(self, attempt: Attempt) -> Attempt:
        self.world.catalog.runs.save_attempt(self.run.id, self.step.name, attempt)
        return attempt


def title_of(step: str, attempt: Attempt, kind: ReasonKind) -> str:
    """Give what a checkpoint at one end of an attempt is called."""
    again = f" (attempt {attempt.number})" if attempt.number > 1 else ""
    if kind is ReasonKind.STEP_BEFORE:
        return f"Before step {step!r}{again}"
    return f"After step {step!r}{again}: {_end_in_words(attempt.exit_status)}"


def _end_in_words(status: int | None) -> str:
    if status is None:
        return "did not end by itself"
    return f"ended by signal {-status}" if status < 0 else f"exit status {status}"


def _is_over(pod: Pod) -> bool:
    return pod.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}


def _how_it_failed(pod: Pod) -> str:
    return _end_in_words(pod.exit_status)


def _tail(log: Path | None) -> str:
    """Give the end of what a failed step printed: the log may go with its pod."""
    if log is None:
        return ""
    try:
        with log.open("rb") as file:
            kept = b"".join(deque(iter(lambda: file.read(_TAIL_BYTES), b""), maxlen=2))
    except OSError:
        return ""
    return kept[-_TAIL_BYTES:].decode(errors="replace").replace("\0", "�")
