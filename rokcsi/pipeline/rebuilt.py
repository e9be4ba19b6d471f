"""Notebooks and runs as far as what stands in the cluster, and their checkpoints, tell of them. Called by `rebuild`.

A notebook's pod says all of it. Of a run there are its volumes and its checkpoints: which
steps were begun, how each attempt ended, the states before and after. Its pipeline file, and
the steps that were never begun, nobody knows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rokcsi.model.cluster import Claim, Pod
from rokcsi.model.history import NOTEBOOKS_BUCKET, Notebook, ReasonKind, Version
from rokcsi.model.runs import Attempt, ClonedVolume, Run, RunStatus, Step, StepStatus
from rokcsi.pipeline.names import NOTEBOOK_LABEL, RUN_LABEL

REBUILT = "rebuilt from its checkpoints; its pipeline file, and the steps that were never begun, are not known"
_CLONE = re.compile(r"(?:-leg-(?P<leg>[0-9]{1,6}))?-(?P<name>create-volume-(?P<number>[0-9]{1,4}))")


def notebooks_of(pods: Iterable[Pod], claims: Mapping[str, Claim], versions: Iterable[Version]) -> list[Notebook]:
    """Give the notebooks whose pods and claims stand."""
    origins = {member.snapshot: version for version in versions for member in version.members}
    holding = [pod for pod in pods if pod.spec.labels.get(NOTEBOOK_LABEL) == pod.name and pod.spec.volumes]
    return [_notebook(pod, claims, origins) for pod in holding if all(v.claim in claims for v in pod.spec.volumes)]


def _notebook(pod: Pod, claims: Mapping[str, Claim], origins: Mapping[str, Version]) -> Notebook:
    workspace = claims[pod.spec.volumes[0].claim]
    origin = origins.get(workspace.from_snapshot or "")
    return Notebook(
        name=pod.name,
        volumes=pod.spec.volumes,
        created_at=workspace.created_at,
        environment=pod.spec.environment,
        working_directory=pod.spec.working_directory,
        restored_from=None if origin is None else origin.id,
    )


def runs_of(versions: Sequence[Version], claims: Iterable[Claim]) -> list[Run]:
    """Give the runs that checkpoints were filed under."""
    filed: dict[str, list[Version]] = defaultdict(list)
    for version in sorted(versions, key=lambda version: version.created_at):
        if version.reason.run == version.object and version.bucket != NOTEBOOKS_BUCKET:
            filed[version.object].append(version)
    begun = {version.reason.run: version for version in versions if version.reason.kind is ReasonKind.NOTEBOOK}
    standing: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        standing[claim.labels.get(RUN_LABEL, "")].append(claim)
    return [_run(run, own, begun.get(run), standing[run]) for run, own in filed.items()]


def _run(id: str, versions: Sequence[Version], origin: Version | None, claims: Sequence[Claim]) -> Run:
    steps = _steps(id, versions)
    done = all(step.status is StepStatus.SUCCEEDED for step in steps)
    volumes, leg = _volumes(id, claims, versions[-1])
    return Run(
        id=id,
        pipeline=versions[0].bucket,
        notebook="" if origin is None else origin.object,
        created_at=versions[0].created_at if origin is None else origin.created_at,
        status=RunStatus.SUCCEEDED if done else RunStatus.FAILED,
        message=REBUILT,
        origin=None if origin is None else origin.id,
        leg=leg,
        working_directory=None if origin is None else origin.reason.working_directory,
        volumes=volumes,
        steps=steps,
        author=versions[0].author,
        finished_at=versions[-1].created_at,
    )


def _steps(run: str, versions: Sequence[Version]) -> tuple[Step, ...]:
    tries: dict[str, dict[int, dict[ReasonKind, Version]]] = defaultdict(lambda: defaultdict(dict))
    for version in versions:
        if version.reason.step is not None:
            tries[version.reason.step][version.reason.attempt or 1][version.reason.kind] = version
    return tuple(_step(run, name, numbered) for name, numbered in tries.items())


def _step(run: str, name: str, numbered: Mapping[int, Mapping[ReasonKind, Version]]) -> Step:
    attempts = tuple(_attempt(f"{run}-{name}-{number}", number, numbered[number]) for number in sorted(numbered))
    return Step(name, status=attempts[-1].status, attempts=attempts, message=attempts[-1].message)


def _attempt(pod: str, number: int, around: Mapping[ReasonKind, Version]) -> Attempt:
    before, after = around.get(ReasonKind.STEP_BEFORE), around.get(ReasonKind.STEP_AFTER)
    status = None if after is None else after.reason.exit_status
    return Attempt(
        number=number,
        pod=pod,
        status=StepStatus.SUCCEEDED if status == 0 else StepStatus.FAILED,
        exit_status=status,
        started_at=None if before is None else before.created_at,
        finished_at=None if after is None else after.created_at,
        before=None if before is None else before.id,
        after=None if after is None else after.id,
        message="" if status == 0 else "how it ended is not known" if status is None else f"exit status {status}",
    )


def _volumes(run: str, claims: Sequence[Claim], last: Version) -> tuple[tuple[ClonedVolume, ...], int]:
    """Give the volumes of the newest leg, seen where its last checkpoint has them, and the number of that leg."""
    found = [
        (int(match["leg"] or 1), int(match["number"]), match["name"], claim)
        for claim in claims
        if (match := _CLONE.fullmatch(claim.name.removeprefix(run)))
    ]
    leg = max((number for number, *_ in found), default=1)
    members = {member.claim: member for member in last.members}
    volumes = [
        ClonedVolume(name, member.volume, claim.name, member.mount_path, claim.from_snapshot or "", member.readonly)
        for _, _, name, claim in sorted((each for each in found if each[0] == leg), key=lambda each: each[1])
        if (member := members.get(claim.name)) is not None
    ]
    return tuple(volumes), leg
