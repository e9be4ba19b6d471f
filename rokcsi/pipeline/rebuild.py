"""Fills a catalogue that was lost or damaged again, from what the pool's snapshots say of themselves.

First the plan, to be looked at, then the deed. It only adds: what the catalogue knows stays
as it is, and a checkpoint that somebody has deleted does not come back as long as a version
that rests on its cut is known. Notebooks and runs come back as far as what stands tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordExists
from rokcsi.model.history import Notebook, Version
from rokcsi.model.runs import Run
from rokcsi.pipeline.label_reading import ReadVersion, is_checkpoint, read_version
from rokcsi.pipeline.rebuilt import notebooks_of, runs_of
from rokcsi.pipeline.world import World


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cut, by its handle, that says it is a checkpoint, and why it cannot be filed again."""

    cut: str
    why: str


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """What would be added, the oldest versions first, and what cannot be."""

    versions: tuple[Version, ...] = ()
    notebooks: tuple[Notebook, ...] = ()
    runs: tuple[Run, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to be added."""
        return not (self.versions or self.notebooks or self.runs)


def plan(world: World) -> RebuildPlan:
    """Say what the pool knows and the catalogue does not; changes nothing. Raises what the cluster raises."""
    read, unreadable = _read(world)
    known = {version.id: version for version in world.catalog.versions.list(VersionFilter(state=None))}
    cuts = {version.cut_name for version in known.values()}
    lost = {each.version.id: each.version for each in read if each.version.cut_name not in cuts}
    lost |= _resting((each.before for each in read if each.version.id in lost), {**known, **lost})
    new = (version for version in lost.values() if version.id not in known)
    versions = tuple(sorted(new, key=lambda version: version.created_at))
    every = [*known.values(), *versions]
    return RebuildPlan(versions, _lost_notebooks(world, every), _lost_runs(world, every), tuple(unreadable))


def carry_out(world: World, wanted: RebuildPlan) -> None:
    """Add what a plan names; what another process has added meanwhile is passed over."""
    catalog = world.catalog
    for version in wanted.versions:
        with suppress(RecordExists):
            catalog.versions.add(version)
    for notebook in wanted.notebooks:
        with suppress(RecordExists):
            catalog.notebooks.add(notebook)
    for run in wanted.runs:
        with suppress(RecordExists):
            catalog.runs.add(run)


def _lost_notebooks(world: World, versions: Sequence[Version]) -> tuple[Notebook, ...]:
    known = {notebook.name for notebook in world.catalog.notebooks.list()}
    claims = {claim.name: claim for claim in world.cluster.claims()}
    found = notebooks_of(world.cluster.pods(), claims, versions)
    return tuple(notebook for notebook in found if notebook.name not in known)


def _lost_runs(world: World, versions: Sequence[Version]) -> tuple[Run, ...]:
    known = {run.id for run in world.catalog.runs.list()}
    return tuple(run for run in runs_of(versions, world.cluster.claims()) if run.id not in known)


def _read(world: World) -> tuple[Sequence[ReadVersion], Sequence[Unreadable]]:
    read, unreadable = [], []
    for cut in world.cluster.labelled_cuts():
        if not is_checkpoint(cut):
            continue
        try:
            read.append(read_version(cut))
        except InvalidRequest as error:
            unreadable.append(Unreadable(cut.handle, str(error)))
    return read, unreadable


def _resting(before: Iterable[Version | None], owners: Mapping[str, Version]) -> dict[str, Version]:
    """Give the versions that rest on the cut of another, with the members of that one."""
    found = {}
    for version in before:
        owner = owners.get(version.same_cut_as or "") if version is not None else None
        if version is not None and owner is not None:
            members = tuple(replace(member, object=f"{version.object}_{member.volume}") for member in owner.members)
            found[version.id] = replace(
                version,
                members=members,
                cut=owner.cut,
                cut_name=owner.cut_name,
                claims=owner.claims,
                freeze_window_seconds=owner.freeze_window_seconds,
                consistency=owner.consistency,
            )
    return found
