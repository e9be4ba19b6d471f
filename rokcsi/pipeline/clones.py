"""The volumes of a run: `create-volume-1` … `create-volume-n`, each a clone of a member of one version."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath

from rokcsi.model.cluster import NewPod
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Version
from rokcsi.model.runs import ClonedVolume, Run
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.deletion import remove_claims
from rokcsi.pipeline.mounts import marshal_folder, mounted_members, pod_volumes
from rokcsi.pipeline.names import RUN_LABEL
from rokcsi.pipeline.progress import Listener, VolumeCloned
from rokcsi.pipeline.restore import clone_of, cloned
from rokcsi.pipeline.tasks import Progress, undone_on_failure
from rokcsi.pipeline.world import World


def clone_volumes(
    world: World, run: Run, origin: Version, definition: PipelineDefinition, progress: Progress, listener: Listener
) -> Run:
    """Give the run with volumes cloned from `origin`, and its hidden folder made; all of them, or none.

    The volumes of an earlier leg of the run stay until the caller removes them.
    """
    before = frozenset(volume.claim for volume in run.volumes)
    _undo(world, run, before)  # what an interrupted resume may have left would be taken for ours
    with undone_on_failure(lambda: _undo(world, run, before)):
        mounts = mounted_members(origin.members, definition)
        if mounts[0].readonly:
            raise InvalidRequest(f"pipeline {definition.name!r}: the workspace {mounts[0].name!r} cannot be read-only")
        volumes: list[ClonedVolume] = []
        for number, (member, mount) in enumerate(zip(origin.members, mounts, strict=True), start=1):
            progress.reached(4 + number, f"cloning volume {member.volume}")
            name = f"create-volume-{number}"
            claim = world.cluster.create_claim(clone_of(member, _claim_name(run, name), {RUN_LABEL: run.id}))
            volume = cloned(name, dataclasses.replace(member, mount_path=mount.mount_path), claim)
            volumes.append(dataclasses.replace(volume, readonly=mount.readonly))
            listener.hear(VolumeCloned(run.id, volumes[-1], number, len(mounts)))
        folder = marshal_folder(run.pipeline)
        _make_folder(world, run, tuple(volumes), folder)
    return dataclasses.replace(
        run,
        origin=origin.id,
        volumes=tuple(volumes),
        marshal_directory=str(PurePosixPath(mounts[0].mount_path) / folder),
    )


def _claim_name(run: Run, name: str) -> str:
    return f"{run.id}-{name}" if run.leg == 1 else f"{run.id}-leg-{run.leg}-{name}"


def _make_folder(world: World, run: Run, volumes: tuple[ClonedVolume, ...], folder: str) -> None:
    """Make the hidden folder before any step runs, through a pod that only holds the volumes for that moment."""
    name = _pod_name(run)
    pod = world.cluster.start_pod(NewPod(name, pod_volumes(volumes[:1]), labels={RUN_LABEL: run.id}))
    (pod.paths[volumes[0].volume] / folder).mkdir(mode=0o777, exist_ok=True)
    world.cluster.delete_pod(name)


def _undo(world: World, run: Run, keep: frozenset[str]) -> None:
    world.cluster.delete_pod(_pod_name(run))
    remove_claims(world, run, keep=keep)


def _pod_name(run: Run) -> str:
    return f"{run.id}-leg-{run.leg}-volumes"
