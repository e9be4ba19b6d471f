"""The visits of one namespace's pods, as its catalogue keeps them: a visit is an attempt of a step of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rokcsi.model.catalog import Catalog, VersionFilter
from rokcsi.model.cluster import PodPhase
from rokcsi.model.doorkeeper import Side
from rokcsi.model.errors import RecordNotFound
from rokcsi.model.history import Version, VersionState
from rokcsi.model.runs import Attempt, FiledAttempt, MountedVolume, Run, RunStatus, Step, StepStatus
from rokcsi.model.visits import PodEnd, VisitedVolume, VisitingPod
from rokcsi.timeline.identity import StepIdentity

_FAILED = frozenset({StepStatus.FAILED, StepStatus.CANCELED})


@dataclass(frozen=True, slots=True)
class Visit:
    """One pod's visit, and where it is filed."""

    who: StepIdentity
    attempt: Attempt

    @property
    def claims(self) -> frozenset[str]:
        """Give the claims whose checkpoints it wants."""
        return frozenset(mount.claim for mount in self.attempt.mounts)

    @property
    def is_open(self) -> bool:
        """Tell whether its end is not known yet."""
        return self.attempt.status is StepStatus.RUNNING


class VisitBook:
    """Reads and writes visits and their versions; whoever writes is alone in the namespace."""

    def __init__(self, namespace: str, catalog: Catalog, clock: Callable[[], dt.datetime]) -> None:
        self.namespace = namespace
        self._catalog = catalog
        self._clock = clock

    def now(self) -> dt.datetime:
        """Give the present time."""
        return self._clock()

    def version(self, id: str) -> Version | None:
        """Give a version, whatever its state."""
        try:
            return self._catalog.versions.get(id)
        except RecordNotFound:
            return None

    def file(self, version: Version) -> None:
        """Add a version, or store it anew."""
        if self.version(version.id) is None:
            self._catalog.versions.add(version)
        else:
            self._catalog.versions.save(version)

    def taken(self, id: str) -> Version | None:
        """Give a version that is ready."""
        found = self.version(id)
        return found if found is not None and found.state is VersionState.READY else None

    def strike(self, id: str) -> None:
        """Forget a version that was not taken."""
        self._catalog.versions.remove(id)

    def ready(self, run: str | None = None) -> Sequence[Version]:
        """Give the versions that were taken, of one run or of all, the oldest first."""
        return self._catalog.versions.list(VersionFilter(object=run))

    def unfinished(self) -> Sequence[Version]:
        """Give the versions whose taking has not come to its end."""
        return self._catalog.versions.list(VersionFilter(state=VersionState.TAKING))

    def visits(self) -> Iterator[Visit]:
        """Give all visits."""
        return map(_visit_of, self._catalog.runs.attempts())

    def open_visits(self) -> Sequence[Visit]:
        """Give the visits whose end is not known yet."""
        return [_visit_of(found) for found in self._catalog.runs.attempts(status=StepStatus.RUNNING)]

    def visit_of(self, uid: str) -> Visit | None:
        """Give a pod's visit."""
        return next(map(_visit_of, self._catalog.runs.attempts(pod_uid=uid)), None)

    def begun(self, pod: VisitingPod, who: StepIdentity, volumes: Sequence[VisitedVolume]) -> Visit:
        """Write down that a pod has come, as the next attempt of its step; give the visit written before, if so."""
        known = self.visit_of(pod.at.uid)
        if known is not None:
            return known
        step = self._step(who, pod)
        attempt = Attempt(
            # Of attempts that were lost and found again some may be missing: the number of one is not how many there are.
            number=max((each.number for each in step.attempts), default=0) + 1,
            pod=pod.at.name,
            status=StepStatus.RUNNING,
            started_at=self._clock(),
            command=pod.set_up.command,
            environment=pod.set_up.environment,
            working_directory=pod.set_up.working_directory,
            mounts=tuple(mounted(volume) for volume in volumes),
            pod_uid=pod.at.uid,
            template=pod.set_up.template,
        )
        visit = Visit(who, attempt)
        self.save(visit)
        return visit

    def save(self, visit: Visit) -> None:
        """Store a visit, and how its step and its run stand with it."""
        self._catalog.runs.save_attempt(visit.who.run, visit.who.step, visit.attempt)
        run = self._catalog.runs.get(visit.who.run)
        steps = {step.name: step for step in run.steps}
        step = steps[visit.who.step]
        steps[step.name] = replace(step, status=step.attempts[-1].status)
        self._catalog.runs.save_step(run.id, steps[step.name])
        self._catalog.runs.save(_standing(replace(run, steps=tuple(steps.values())), self._clock()))

    def found_again(self, run: Run, step: str, attempt: Attempt) -> None:
        """Write down an attempt that was lost, with its run and its step; one that is known stays as it is."""
        try:
            known = self._catalog.runs.get(run.id)
        except RecordNotFound:
            known = replace(run, steps=())
            self._catalog.runs.add(known)
        there = next((each for each in known.steps if each.name == step), None)
        if there is None:
            self._catalog.runs.save_step(run.id, Step(step, status=attempt.status))
        if there is None or all(each.number != attempt.number for each in there.attempts):
            self.save(Visit(StepIdentity(run.pipeline, run.id, step), attempt))

    def point(self, visit: Visit, side: Side, version: Version) -> None:
        """Have a visit point at the version of one of its ends."""
        attempt = visit.attempt
        pointing = replace(attempt, before=version.id) if side is Side.BEFORE else replace(attempt, after=version.id)
        self.save(replace(visit, attempt=pointing))

    def ended(self, visit: Visit, pod: VisitingPod | None) -> Visit:
        """Write down how a visit has ended, by its pod; one whose pod is gone or deleted before its end was aborted."""
        status, end = _how_it_ended(pod)
        attempt = replace(
            visit.attempt,
            status=status,
            exit_status=end.exit_status,
            finished_at=end.at or self._clock(),
            message=end.why,
        )
        done = replace(visit, attempt=attempt)
        self.save(done)
        return done

    def completed(self, run: str) -> tuple[str, ...]:
        """Give the steps of a run that have succeeded."""
        steps = self._catalog.runs.get(run).steps
        return tuple(step.name for step in steps if step.status is StepStatus.SUCCEEDED)

    def _step(self, who: StepIdentity, pod: VisitingPod) -> Step:
        try:
            run = self._catalog.runs.get(who.run)
        except RecordNotFound:
            author = pod.at.service_account
            run = Run(who.run, who.pipeline, "", self._clock(), author=author)
            self._catalog.runs.add(run)
        known = next((step for step in run.steps if step.name == who.step), None)
        if known is None:
            known = Step(who.step, status=StepStatus.RUNNING)
            self._catalog.runs.save_step(who.run, known)
        return known


def _visit_of(found: FiledAttempt) -> Visit:
    return Visit(StepIdentity(found.pipeline, found.run, found.step), found.attempt)


def _how_it_ended(pod: VisitingPod | None) -> tuple[StepStatus, PodEnd]:
    if pod is None or pod.leaving or not pod.is_over:
        end = PodEnd() if pod is None else pod.end
        return StepStatus.CANCELED, replace(end, why="aborted: the pod was deleted before it had ended")
    return (StepStatus.SUCCEEDED if pod.phase is PodPhase.SUCCEEDED else StepStatus.FAILED), pod.end


def _standing(run: Run, now: dt.datetime) -> Run:
    """Give a run as its steps stand: one of them may still be to come, so an end is never final."""
    statuses = {step.status for step in run.steps}
    if StepStatus.RUNNING in statuses:
        return replace(run, status=RunStatus.RUNNING, finished_at=None)
    status = RunStatus.FAILED if statuses & _FAILED else RunStatus.SUCCEEDED
    ends = [attempt.finished_at for step in run.steps for attempt in step.attempts if attempt.finished_at]
    return replace(run, status=status, finished_at=max(ends, default=now))


def mounted(volume: VisitedVolume) -> MountedVolume:
    """Give a volume of a pod as attempts and versions remember it."""
    return MountedVolume(
        volume.name,
        volume.claim,
        volume.mount_path,
        readonly=volume.readonly,
        snapshot=volume.from_snapshot,
        volume=volume.handle,
    )
