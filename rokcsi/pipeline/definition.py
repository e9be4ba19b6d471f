"""The pipeline file: which steps there are, what each runs, and what it needs before it.

The format is documented in docs/reference/pipeline-file.md. A wrong file raises
PipelineFileWrong, with a line `file:line:column: field: what is wrong` for each mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.mount_paths import mount_path_problem
from rokcsi.pipeline.dag import Needs, cycle
from rokcsi.pipeline.names import name_problem, variable_problem
from rokcsi.pipeline.yaml_fields import Place, nearest
from rokcsi.pipeline.yaml_places import Complaints, PipelineFileWrong, compose, read_text

__all__ = ["PipelineDefinition", "PipelineFileWrong", "StepDefinition", "VolumeDefinition", "load", "parse"]

MOST_STEPS = 500
MOST_RETRIES = 100
PIPELINE_KEYS = ("name", "steps", "parameters", "environment", "working_directory", "volumes")
STEP_KEYS = ("name", "command", "needs", "environment", "working_directory", "retries", "timeout")
VOLUME_KEYS = ("mount_path", "readonly")


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step; `command` is an argument list (a text in the file becomes `/bin/sh -c TEXT`)."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    retries: int = 0
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class VolumeDefinition:
    """How the steps see one of the notebook's volumes, where that differs; None is as in the notebook.

    `place` is where the file says so, as `file:line:column: field`.
    """

    name: str
    mount_path: str | None = None
    readonly: bool | None = None
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """A pipeline file that is right; `source` is its text."""

    name: str
    steps: tuple[StepDefinition, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str | None = None
    volumes: tuple[VolumeDefinition, ...] = ()
    source: str = ""

    @property
    def needs(self) -> Needs:
        """What each step needs, in the file's order."""
        return {step.name: step.needs for step in self.steps}


def load(path: Path) -> PipelineDefinition:
    """Read a pipeline file; raise InvalidRequest when it cannot be read, PipelineFileWrong when it is wrong."""
    return parse(read_text(path), str(path))


def parse(text: str, file: str = "pipeline.yaml") -> PipelineDefinition:
    """Read the text of a pipeline file, `file` being its name in complaints; raise PipelineFileWrong."""
    complaints = Complaints(file)
    top = Place(compose(text, complaints), "", complaints).mapping(PIPELINE_KEYS, required=("name", "steps"))
    definition = PipelineDefinition(
        name=_name(top["name"]) if "name" in top else "",
        steps=_steps(top["steps"]) if "steps" in top else (),
        parameters=_variables(top.get("parameters")),
        environment=_variables(top.get("environment")),
        working_directory=_directory(top.get("working_directory")),
        volumes=_volumes(top.get("volumes")),
        source=text,
    )
    complaints.raise_any()
    return definition


def _steps(place: Place) -> tuple[StepDefinition, ...]:
    items = place.items()
    if not items and not place.complaints.found:
        place.complain("the list is empty; a pipeline needs at least one step")
    if len(items) > MOST_STEPS:
        place.complain(f"{len(items)} steps are too many; at most {MOST_STEPS} are possible")
        return ()
    fields = [item.mapping(STEP_KEYS, required=("name", "command")) for item in items]
    steps = [_step(found) for found in fields]
    _check_names(fields, steps)
    _check_needs(fields, steps)
    if not place.complaints.found and (ring := cycle({step.name: step.needs for step in steps})):
        first = next(number for number, step in enumerate(steps) if step.name == ring[0])
        fields[first]["needs"].complain(
            f"the steps wait for each other: {' → '.join(ring)}; take one of these needs out"
        )
    return tuple(steps)


def _step(found: Mapping[str, Place]) -> StepDefinition:
    retries = found["retries"].whole_number(0, MOST_RETRIES) if "retries" in found else 0
    return StepDefinition(
        name=_name(found["name"]) if "name" in found else "",
        command=_command(found["command"]) if "command" in found else (),
        needs=tuple(text for _, text in _needs(found.get("needs"))),
        environment=_variables(found.get("environment")),
        working_directory=_directory(found.get("working_directory")),
        retries=retries or 0,
        timeout_seconds=found["timeout"].seconds() if "timeout" in found else None,
    )


def _check_names(fields: list[dict[str, Place]], steps: list[StepDefinition]) -> None:
    seen: dict[str, int] = {}
    for number, (found, step) in enumerate(zip(fields, steps, strict=True)):
        if step.name and seen.setdefault(step.name, number) != number:
            found["name"].complain(
                f"steps[{seen[step.name]}] is called {step.name!r} already; each step needs its own name"
            )


def _check_needs(fields: list[dict[str, Place]], steps: list[StepDefinition]) -> None:
    names = [step.name for step in steps]
    for found, step in zip(fields, steps, strict=True):
        seen: set[str] = set()
        for place, need in _needs(found.get("needs"), quiet=True):
            if need == step.name:
                place.complain(f"step {need!r} needs itself; take that out")
            elif need not in names:
                place.complain(f"unknown step {need[:60]!r}{nearest(need, names)}")
            elif need in seen:
                place.complain(f"{need!r} stands here twice; keep one")
            seen.add(need)


def _needs(place: Place | None, *, quiet: bool = False) -> list[tuple[Place, str]]:
    """Give what a step needs, one name or a list; `quiet` where its mistakes were told before."""
    if place is None:
        return []
    complaints = Complaints("") if quiet else place.complaints
    silent = Place(place.node, place.where, complaints)
    items = [silent] if place.is_scalar else silent.items()
    found = [(Place(item.node, place.where, place.complaints), item.text()) for item in items]
    return [(item, text) for item, text in found if text is not None]


def _name(place: Place) -> str:
    name = place.text()
    if name is None:
        return ""
    if (problem := name_problem(name)) is not None:
        place.complain(problem)
        return ""
    return name


def _command(place: Place) -> tuple[str, ...]:
    if place.is_scalar:
        text = place.text()
        if text is not None and not text.strip():
            place.complain("the command is empty")
        return ("/bin/sh", "-c", text or "")
    words = [item.text() for item in place.items()]
    if not words or words[0] == "":
        place.complain("the command is empty; its first word is the program")
    return tuple(word for word in words if word is not None)


def _variables(place: Place | None) -> dict[str, str]:
    found = place.texts() if place is not None else {}
    for name, (where, _) in found.items():
        if (problem := variable_problem(name)) is not None:
            where.complain(problem)
    return {name: text for name, (_, text) in found.items()}


def _directory(place: Place | None) -> str | None:
    text = place.text() if place is not None else None
    if place is not None and text is not None and (not text.isprintable() or ".." in text.split("/") or not text):
        place.complain("this must be a folder: absolute, or relative to the workspace, without '..'")
        return None
    return text


def _volumes(place: Place | None) -> tuple[VolumeDefinition, ...]:
    if place is None:
        return ()
    return tuple(_volume(name, value) for name, value in place.mapping().items())


def _volume(name: str, place: Place) -> VolumeDefinition:
    found = place.mapping(VOLUME_KEYS)
    path = found["mount_path"].text() if "mount_path" in found else None
    if path is not None and (problem := mount_path_problem(path)) is not None:
        found["mount_path"].complain(problem)
    readonly = found["readonly"].truth() if "readonly" in found else None
    return VolumeDefinition(name, path, readonly, place.address)
