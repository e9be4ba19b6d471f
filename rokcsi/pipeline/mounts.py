"""How the steps of a run see its volumes: where each is mounted, where they work, what their environment says."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from rokcsi.model.cluster import PodVolume
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Member
from rokcsi.model.runs import ClonedVolume, MountedVolume, Run
from rokcsi.pipeline.definition import PipelineDefinition, StepDefinition, VolumeDefinition
from rokcsi.pipeline.names import check_distinct, without_ours
from rokcsi.pipeline.yaml_fields import nearest


def mounted_members(members: Sequence[Member], definition: PipelineDefinition) -> list[PodVolume]:
    """Give how the pipeline file wants the volumes mounted; raise InvalidRequest for a volume that is not there.

    The claims are the members' own; the clones take their place.
    """
    wishes = {volume.name: volume for volume in definition.volumes}
    names = [member.volume for member in members]
    for wish in wishes:
        if wish not in names:
            raise InvalidRequest(
                f"pipeline {definition.name!r}: volumes: the notebook has no volume {wish!r}{nearest(wish, names)}; "
                f"it has {', '.join(names)}"
            )
    mounts = [_mounted(member, wishes.get(member.volume)) for member in members]
    check_distinct("mount path", [mount.mount_path for mount in mounts])
    return mounts


def _mounted(member: Member, wish: VolumeDefinition | None) -> PodVolume:
    path = wish.mount_path if wish is not None and wish.mount_path is not None else member.mount_path
    readonly = wish.readonly if wish is not None and wish.readonly is not None else member.readonly
    return PodVolume(member.volume, member.claim, path, readonly)


def pod_volumes(volumes: Sequence[ClonedVolume]) -> tuple[PodVolume, ...]:
    """Give the run's clones as a step's pod mounts them."""
    return tuple(PodVolume(volume.volume, volume.claim, volume.mount_path, volume.readonly) for volume in volumes)


def mounted_volumes(volumes: Sequence[ClonedVolume]) -> tuple[MountedVolume, ...]:
    """Give the run's clones as an attempt remembers them."""
    return tuple(
        MountedVolume(each.volume, each.claim, each.mount_path, each.readonly, each.name, each.snapshot)
        for each in volumes
    )


def marshal_folder(pipeline: str) -> str:
    """Give the name of the hidden folder, in the workspace, that steps pass things through."""
    return f".{pipeline}.rokcsi.marshal.dir"


def chosen_parameters(definition: PipelineDefinition, given: Mapping[str, str]) -> dict[str, str]:
    """Give the parameters of a run: the file's, overridden by those given; raise InvalidRequest for an unknown one."""
    for name in given:
        if name not in definition.parameters:
            known = ", ".join(definition.parameters) or "none"
            raise InvalidRequest(
                f"pipeline {definition.name!r} has no parameter {name[:60]!r}{nearest(name, definition.parameters)}; "
                f"it has {known}"
            )
        if "\0" in given[name]:
            raise InvalidRequest(f"parameter {name!r} has a NUL character in its value; take it out")
    return {**definition.parameters, **given}


def working_directory(run: Run, definition: PipelineDefinition, step: StepDefinition) -> str:
    """Give where a step works: its own wish, the file's, the notebook's, or the workspace."""
    workspace = run.volumes[0].mount_path
    wish = step.working_directory or definition.working_directory or run.working_directory or workspace
    return posixpath.normpath(posixpath.join(workspace, wish))


def environment(run: Run, definition: PipelineDefinition, step: StepDefinition, attempt: int) -> dict[str, str]:
    """Give a step's environment: the notebook's, the file's, the step's, the parameters, and ours, later ones winning."""
    ours = {
        "ROKCSI_PIPELINE": run.pipeline,
        "ROKCSI_RUN": run.id,
        "ROKCSI_STEP": step.name,
        "ROKCSI_ATTEMPT": str(attempt),
        "ROKCSI_WORKSPACE": run.volumes[0].mount_path,
        "ROKCSI_MARSHAL_DIR": run.marshal_directory,
    }
    declared = {**without_ours(dict(run.environment)), **definition.environment, **step.environment}
    return {**declared, **run.parameters, **ours}
