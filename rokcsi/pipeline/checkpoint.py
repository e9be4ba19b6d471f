"""A checkpoint: all volumes of a notebook or run cut at one instant, filed with the reason why.

The record is written before the cut, and the cut's name follows from the version's id: so
a crash, a failure or Ctrl-C at any moment leaves either a version that is ready or nothing.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.cluster import Claim, ClaimSnapshot, Cut, Pod, PodVolume
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.model.history import (
    NOTEBOOKS_BUCKET,
    Commit,
    Member,
    MemberRole,
    Notebook,
    Reason,
    ReasonKind,
    TaskKind,
    Version,
    VersionState,
)
from rokcsi.model.snapshot import Consistency
from rokcsi.pipeline.deletion import discard_version
from rokcsi.pipeline.labels import labels_of
from rokcsi.pipeline.notebook import opened, ready_notebook
from rokcsi.pipeline.progress import SILENT, CheckpointTaken, Listener
from rokcsi.pipeline.tasks import Subject, following, undone_on_failure
from rokcsi.pipeline.world import World

_WORST_LAST = (Consistency.FROZEN, Consistency.CRASH, Consistency.SHARED)


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint wished for, of these volumes; volume 0 is the workspace."""

    bucket: str
    object: str
    volumes: tuple[PodVolume, ...]
    reason: Reason
    title: str = ""
    message: str = ""
    author: str = ""
    parent: str | None = None
    completed_steps: tuple[str, ...] = ()
    concurrent_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What the person who asks says of a checkpoint; an empty author is the world's."""

    title: str = ""
    message: str = ""
    author: str = ""


def take(world: World, new: NewCheckpoint, listener: Listener = SILENT) -> Version:
    """Take a checkpoint; raise what the cluster's `cut` raises, with nothing left behind."""
    if not new.volumes:
        raise InvalidRequest(f"{new.object!r} has no volumes; there is nothing to take a checkpoint of")
    claims = [world.cluster.claim(volume.claim) for volume in new.volumes]
    wanted, before = _wanted(world, new), _resting_before(world, new)
    with following(world, Subject(TaskKind.CHECKPOINT, new.bucket, new.object, wanted.id), listener) as progress:
        taking = dataclasses.replace(wanted, task=progress.task.id)
        world.catalog.versions.add(taking)
        with undone_on_failure(lambda: discard_version(world, taking)):
            progress.reached(20, f"cutting {len(claims)} {'volume' if len(claims) == 1 else 'volumes at one instant'}")
            cut = world.cluster.cut(taking.cut_name, taking.claims, labels_of(taking, _planned(new, claims), before))
            progress.reached(90, "filing the version")
            ready = _filed(taking, new, claims, cut)
            world.catalog.versions.save(ready)
    listener.hear(CheckpointTaken(ready))
    return ready


def of_notebook(world: World, name: str, words: Words | None = None, listener: Listener = SILENT) -> Version:
    """Take a checkpoint of a notebook because somebody asked for it; raise RecordNotFound."""
    return of_opened_notebook(world, ready_notebook(world, name), ReasonKind.MANUAL, None, words or Words(), listener)


def of_opened_notebook(
    world: World, notebook: Notebook, kind: ReasonKind, run: str | None, words: Words, listener: Listener
) -> Version:
    """Take a checkpoint of a notebook; what it was restored from passes on which steps were complete."""
    commit = _commit(world, notebook, opened(world, notebook))
    restored = origin_of(world, notebook)
    earlier = world.catalog.versions.list(VersionFilter(NOTEBOOKS_BUCKET, notebook.name))
    new = NewCheckpoint(
        bucket=NOTEBOOKS_BUCKET,
        object=notebook.name,
        volumes=notebook.volumes,
        reason=Reason(
            kind=kind,
            run=run or (restored.reason.run if restored else None),
            environment=notebook.environment,
            working_directory=notebook.working_directory,
            commit=commit,
        ),
        title=words.title or (commit.title if commit else "") or f"Notebook {notebook.name!r}",
        message=words.message or (commit.message if commit else ""),
        author=words.author,
        parent=earlier[-1].id if earlier else notebook.restored_from,
        completed_steps=restored.completed_steps if restored and run in {None, restored.reason.run} else (),
    )
    return take(world, new, listener)


def origin_of(world: World, notebook: Notebook) -> Version | None:
    """Give the version that a notebook was restored from; None for one of folders, or when it was deleted since."""
    if notebook.restored_from is None:
        return None
    try:
        return world.catalog.versions.get(notebook.restored_from)
    except RecordNotFound:
        return None


def same_again(world: World, version: Version, new: NewCheckpoint, listener: Listener = SILENT) -> Version:
    """File a version of its own that rests on another one's cut: nothing can have changed since then."""
    again = dataclasses.replace(
        _wanted(world, new),
        state=VersionState.READY,
        members=tuple(
            dataclasses.replace(member, object=f"{new.object}_{member.volume}") for member in version.members
        ),
        cut_name=version.cut_name,
        cut=version.cut,
        claims=version.claims,
        same_cut_as=version.same_cut_as or version.id,
        freeze_window_seconds=version.freeze_window_seconds,
        consistency=version.consistency,
    )
    world.catalog.versions.add(again)
    listener.hear(CheckpointTaken(again))
    return again


def _wanted(world: World, new: NewCheckpoint) -> Version:
    number = str(uuid.uuid4())
    return Version(
        id=number,
        bucket=new.bucket,
        object=new.object,
        created_at=world.now(),
        reason=new.reason,
        title=new.title,
        message=new.message,
        author=new.author or world.author,
        state=VersionState.TAKING,
        cut_name=cut_name_of(number),
        claims=tuple(volume.claim for volume in new.volumes),
        parent=new.parent,
        completed_steps=new.completed_steps,
        concurrent_steps=new.concurrent_steps,
    )


def _filed(taking: Version, new: NewCheckpoint, claims: Sequence[Claim], cut: Cut) -> Version:
    snapshots = {snapshot.claim: snapshot for snapshot in cut.snapshots}
    members = tuple(_member(planned, snapshots[planned.claim]) for planned in _planned(new, claims))
    return dataclasses.replace(
        taking,
        state=VersionState.READY,
        created_at=cut.created_at,
        members=members,
        cut=cut.handle,
        freeze_window_seconds=cut.freeze_window_seconds,
        consistency=weakest(members),
    )


def cut_name_of(version: str) -> str:
    """Give the name of the cut that is made for a version, by its id."""
    return f"version-{version}"


def weakest(members: Sequence[Member]) -> Consistency:
    """Give what can be said of all members together."""
    return max((member.consistency for member in members), key=_WORST_LAST.index)


def _planned(new: NewCheckpoint, claims: Sequence[Claim]) -> tuple[Member, ...]:
    """Give the members as they are known before the cut: without snapshots."""
    return tuple(
        Member(
            object=f"{new.object}_{volume.name}",
            volume=volume.name,
            claim=claim.name,
            snapshot="",
            size=claim.size,
            filesystem=claim.filesystem,
            mount_path=volume.mount_path,
            role=MemberRole.WORKSPACE if number == 0 else MemberRole.DATASET,
            readonly=volume.readonly,
        )
        for number, (volume, claim) in enumerate(zip(new.volumes, claims, strict=True))
    )


def _member(planned: Member, snapshot: ClaimSnapshot) -> Member:
    return dataclasses.replace(
        planned, snapshot=snapshot.snapshot, size=snapshot.size, consistency=snapshot.consistency
    )


def _resting_before(world: World, new: NewCheckpoint) -> Version | None:
    """Give the version before a step when it rests on another's cut: no snapshot tells of it but those after the step."""
    if new.reason.kind is not ReasonKind.STEP_AFTER or new.parent is None:
        return None
    before = world.catalog.versions.get(new.parent)
    return before if before.same_cut_as is not None else None


def _commit(world: World, notebook: Notebook, pod: Pod) -> Commit | None:
    workspace = pod.paths.get(notebook.workspace.name)
    if workspace is None:
        return None
    mount, directory = PurePosixPath(notebook.workspace.mount_path), PurePosixPath(notebook.working_directory or "/")
    inside = directory.relative_to(mount) if directory.is_relative_to(mount) else PurePosixPath()
    return world.commit_of(workspace, workspace / inside)
