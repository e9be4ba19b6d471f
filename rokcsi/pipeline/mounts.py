"""How the steps of a run see its volumes: where each is mounted, where they work, what their environment says."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from rokcsi.model.cluster import PodVolume
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Member
from rokcsi.model.runs import ClonedVolume, MountedVolume, Run
from rokcsi.pipeline.definition import PipelineDefinition, StepDefinition, VolumeDefinition
from rokcsi.pipeline.names import without_ours
from rokcsi.pipeline.yaml_fields import nearest
from rokcsi.pipeline.yaml_places import PipelineFileWrong


def wished_mounts(volumes: Sequence[PodVolume], definition: PipelineDefinition) -> list[PodVolume]:
    """Give the volumes as the pipeline file wants them mounted; raise InvalidRequest where it cannot have them so.

    Changes nothing: a run asks this of the notebook's volumes before it makes anything.
    """
    wishes = {volume.name: volume for volume in definition.volumes}
    names = [volume.name for volume in volumes]
    for name, wish in wishes.items():
        if name not in names:
            known = f"{nearest(name, names)}; it has {', '.join(names)}"
            raise PipelineFileWrong(f"{wish.place}: the notebook has no volume {name[:60]!r}{known}")
    mounts = [_mounted(volume, wishes.get(volume.name)) for volume in volumes]
    _check_mounts(mounts, wishes)
    return mounts


def mounted_members(members: Sequence[Member], definition: PipelineDefinition) -> list[PodVolume]:
    """Give the `wished_mounts` of a version. The claims are the members' own; the clones take their place."""
    volumes = [PodVolume(member.volume, member.claim, member.mount_path, member.readonly) for member in members]
    return wished_mounts(volumes, definition)


def _mounted(volume: PodVolume, wish: VolumeDefinition | None) -> PodVolume:
    path = wish.mount_path if wish is not None and wish.mount_path is not None else volume.mount_path
    readonly = wish.readonly if wish is not None and wish.readonly is not None else volume.readonly
    return PodVolume(volume.name, volume.claim, path, readonly)


def _check_mounts(mounts: Sequence[PodVolume], wishes: Mapping[str, VolumeDefinition]) -> None:
    workspace = mounts[0]
    if workspace.readonly:
        wish = wishes.get(workspace.name)
        where = f"{wish.place}: " if wish is not None and wish.readonly else ""
        raise InvalidRequest(f"{where}the workspace {workspace.name!r} cannot be read-only: steps pass data through it")
    owners: dict[str, str] = {}
    for mount in mounts:
        other = owners.setdefault(mount.mount_path, mount.name)
        wish = wishes.get(mount.name) or wishes.get(other)
        if other != mount.name and wish is not None:
            raise PipelineFileWrong(f"{wish.place}: {other!r} and {mount.name!r} would both be at {mount.mount_path!r}")


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
