"""The volumes of a run: `create-volume-1` … `create-volume-n`, each a clone of a member of one version."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath

from rokcsi.model.cluster import NewPod
from rokcsi.model.history import Version
from rokcsi.model.runs import ClonedVolume, Run
from rokcsi.pipeline.definition import PipelineDefinition
from rokcsi.pipeline.deletion import remove_claims
from rokcsi.pipeline.mounts import marshal_folder, mounted_members, pod_volumes
from rokcsi.pipeline.names import RUN_LABEL
from rokcsi.pipeline.progress import Listener, VolumeCloned
from rokcsi.pipeline.restore import clone_of
from rokcsi.pipeline.tasks import Progress, undone_on_failure
from rokcsi.pipeline.world import World


def clone_volumes(
    world: World, run: Run, origin: Version, definition: PipelineDefinition, progress: Progress, listener: Listener
) -> Run:
    """Give the run with volumes cloned from `origin`, and its hidden folder made; all of them, or none.

    The volumes of an earlier leg of the run stay until the caller removes them.
    """
    keep = frozenset(volume.claim for volume in run.volumes)
    remove_claims(world, run, keep=keep)  # what an interrupted resume may have left would be taken for ours
    wanted = _wanted(run, origin, definition)
    with undone_on_failure(lambda: _undo(world, run, wanted, keep)):
        world.catalog.runs.save(wanted)
        made: list[ClonedVolume] = []
        for number, member in enumerate(origin.members):
            volume = wanted.volumes[number]
            progress.reached(5 + number, f"cloning volume {member.volume}")
            claim = world.cluster.create_claim(clone_of(member, volume.claim, {RUN_LABEL: run.id}))
            made.append(dataclasses.replace(volume, seconds=claim.provisioning_seconds))
            listener.hear(VolumeCloned(run.id, made[-1], number + 1, len(origin.members)))
        _make_folder(world, wanted)
        cloned = dataclasses.replace(wanted, volumes=tuple(made))
        world.catalog.runs.save(cloned)
    return cloned


def _wanted(run: Run, origin: Version, definition: PipelineDefinition) -> Run:
    """Give the run with the volumes that it will have: recorded first, so that a crash leaves none without an owner."""
    mounts = mounted_members(origin.members, definition)
    volumes = [
        ClonedVolume(name, mount.name, _claim_name(run, name), mount.mount_path, member.snapshot, mount.readonly)
        for number, (member, mount) in enumerate(zip(origin.members, mounts, strict=True), start=1)
        for name in [f"create-volume-{number}"]
    ]
    folder = PurePosixPath(mounts[0].mount_path) / marshal_folder(run.pipeline)
    return dataclasses.replace(run, origin=origin.id, volumes=tuple(volumes), marshal_directory=str(folder))


def _claim_name(run: Run, name: str) -> str:
    return f"{run.id}-{name}" if run.leg == 1 else f"{run.id}-leg-{run.leg}-{name}"


def _make_folder(world: World, run: Run) -> None:
    """Make the hidden folder before any step runs, through a pod that only holds the workspace for that moment."""
    workspace = run.volumes[0]
    pod = world.cluster.start_pod(NewPod(_pod_name(run), pod_volumes([workspace]), labels={RUN_LABEL: run.id}))
    (pod.paths[workspace.volume] / marshal_folder(run.pipeline)).mkdir(mode=0o777, exist_ok=True)
    world.cluster.delete_pod(pod.name)


def _undo(world: World, run: Run, wanted: Run, keep: frozenset[str]) -> None:
    """Leave the run as it was given."""
    world.cluster.delete_pod(_pod_name(run))
    remove_claims(world, wanted, keep=keep)
    world.catalog.runs.save(run)


def _pod_name(run: Run) -> str:
    return f"{run.id}-leg-{run.leg}-volumes"
