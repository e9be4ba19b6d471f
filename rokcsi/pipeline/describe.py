"""Answers questions about a step: what was mounted where, what it saw and left behind, where its checkpoints are."""

from __future__ import annotations

from dataclasses import dataclass

from rokcsi.model.errors import RecordNotFound
from rokcsi.model.history import Version
from rokcsi.model.origin import Origin
from rokcsi.model.runs import Attempt, Run, Step
from rokcsi.pipeline.world import World
from rokcsi.pipeline.yaml_fields import nearest


@dataclass(frozen=True, slots=True)
class CheckpointLink:
    """A version that a step points at; `version` is None where it was deleted since, `url` is empty then."""

    id: str
    url: str = ""
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class AttemptDescription:
    """One attempt with the versions before and after it."""

    attempt: Attempt
    before: CheckpointLink | None
    after: CheckpointLink | None


@dataclass(frozen=True, slots=True)
class StepDescription:
    """A step of a run, its attempts oldest first."""

    run: Run
    step: Step
    attempts: tuple[AttemptDescription, ...]


def describe_step(world: World, run_id: str, step_name: str) -> StepDescription:
    """Tell all that is known of a step; raise RecordNotFound."""
    try:
        run = world.catalog.runs.get(run_id)
    except RecordNotFound as error:
        raise RecordNotFound(f"there is no run {run_id[:60]!r}; `rokctl get runs` lists them") from error
    step = run.step(step_name)
    if step is None:
        names = [step.name for step in run.steps]
        raise RecordNotFound(
            f"run {run_id} has no step {step_name[:60]!r}{nearest(step_name, names)}; it has {', '.join(names)}"
        )
    return StepDescription(run, step, tuple(_attempt(world, attempt) for attempt in step.attempts))


def url_of(world: World, version: Version) -> str:
    """Give a version's address, as people paste it."""
    return str(Origin.of_version(version, namespace=world.namespace, host=world.host))


def acknowledgement(world: World, run: Run, step: Step, attempt: Attempt) -> str:
    """Give the text, in Markdown, that a step's page carries: what was kept of it and how to open that."""
    lines = [
        f"**rokcsi** kept the execution state of step `{step.name}` of run `{run.id}`, attempt {attempt.number}:",
        "",
    ]
    for word, kept in (("before", attempt.before), ("after", attempt.after)):
        link = _link(world, kept)
        if link is not None and link.version is not None:
            lines.append(f"- just {word} it: [{link.id[:8]}]({link.url}) — open it with `rokctl restore {link.id[:8]}`")
        elif link is not None:
            lines.append(f"- just {word} it: {link.id[:8]}, deleted since")
    return "\n".join(lines) + "\n"


def _attempt(world: World, attempt: Attempt) -> AttemptDescription:
    return AttemptDescription(attempt, _link(world, attempt.before), _link(world, attempt.after))


def _link(world: World, id: str | None) -> CheckpointLink | None:
    if id is None:
        return None
    try:
        version = world.catalog.versions.get(id)
    except RecordNotFound:
        return CheckpointLink(id)
    return CheckpointLink(id, url_of(world, version), version)
