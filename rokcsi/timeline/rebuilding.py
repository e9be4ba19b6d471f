"""Checkpoints that the pools hold and no catalogue knows are filed again: the timeline has lost its volume, or was given an old one.

Pool by pool, when the timeline begins, and later for the nodes that come back. It only adds:
whoever removes a version removes its cut too, so what stands in a pool without a version was
lost. What nobody wants of it any more (its namespace is gone) goes by the same rules as ever,
once it is filed. What is of an older run than are kept has been kept by somebody all the same,
and nobody can tell any more by whom: it is pinned.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rokcsi.model.catalog import Catalog, VersionFilter
from rokcsi.model.cluster import LabelledCut
from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import CatalogUnreadable, Damaged, InvalidRequest, RecordNotFound, RokcsiError
from rokcsi.model.history import NOTEBOOKS_BUCKET, ReasonKind, Version
from rokcsi.model.ids import PoolId
from rokcsi.model.runs import Attempt, MountedVolume, Run, StepStatus
from rokcsi.model.visits import VolumeCuts, cut_at_door, cut_of_asked, version_at_door
from rokcsi.pipeline.label_reading import read_version
from rokcsi.pipeline.rebuilt import runs_of
from rokcsi.timeline.keeping import KeepingRules, counted_runs, versions_of
from rokcsi.timeline.labelling import ToldVisit, is_of_a_visit, told_namespace, told_visit, was_asked_for
from rokcsi.timeline.visiting import Visiting, VisitParts

LOOK_AGAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a cut says: in which namespace it was made, and for which version; of a visit, whose, and what the pod mounted."""

    namespace: str
    version: Version
    visit: ToldVisit | None = None
    before: Version | None = None
    mounts: tuple[MountedVolume, ...] = ()


class Rebuilding:
    """Looks through each pool once, with the parts that visits are dealt with by."""

    def __init__(self, parts: VisitParts, cuts: VolumeCuts, visiting: Visiting, rules: KeepingRules) -> None:
        self._parts = parts
        self._rules = rules
        self._cuts = cuts
        self._visiting = visiting
        self._seen: set[PoolId] = set()
        self._filed: set[str] = set()
        self._unreadable: set[str] = set()

    def look(self) -> float:
        """Look through the pools that were not looked through yet; give the seconds until the next look.

        All are looked through again once a catalogue can be read that could not before: it may
        be a new one, or an old copy.
        """
        unreadable = {each for each in self._parts.shelves.namespaces() if not self._can_be_read(each)}
        if self._unreadable - unreadable:
            self._seen.clear()
        self._unreadable = unreadable
        for pool in self._cuts.pools():
            if pool not in self._seen:
                self._look_through(pool)
        return LOOK_AGAIN_SECONDS

    def _look_through(self, pool: PoolId) -> None:
        """File what a pool holds; where that fails it is looked through again."""
        try:
            for namespace, told in _by_namespace(self._cuts.labelled(pool, self._known_cuts())).items():
                self._file_if_readable(namespace, told)
        except RokcsiError as error:
            _log.warning("a pool could not be looked through for checkpoints", extra={"error": str(error)})
        else:
            self._seen.add(pool)

    def _known_cuts(self) -> set[str]:
        """Give the cuts that some version rests on: nothing is lost of them, and nobody has to ask what they say."""
        return {cut for namespace in self._parts.shelves.namespaces() for cut in self._cuts_of(namespace)}

    def _cuts_of(self, namespace: str) -> Collection[str]:
        try:
            versions = self._parts.shelves.of(namespace).versions.list(VersionFilter(state=None))
        except Damaged:
            return ()
        return {each.cut for each in versions if each.cut}

    def _can_be_read(self, namespace: str) -> bool:
        try:
            self._parts.shelves.of(namespace)
        except CatalogUnreadable:
            return False
        return True

    def _file_if_readable(self, namespace: str, told: Sequence[Told]) -> None:
        """File what a pool holds of a namespace; what is lost of one that cannot be read nobody knows, and it has to wait."""
        try:
            self._file(namespace, told)
        except InvalidRequest:  # no namespace can have such a name: somebody has made the label up
            pass
        except Damaged as error:
            self._unreadable.add(namespace)
            _log.warning("checkpoints cannot be filed", extra={"namespace": namespace, "error": str(error)})

    def _file(self, namespace: str, told: Sequence[Told]) -> None:
        with self._visiting.alone(namespace):
            catalog = self._parts.shelves.of(namespace)
            lost = [each for each in told if self._is_lost(catalog, each.version)]
            filed = _file_versions(catalog, lost)
            self._filed |= filed
            self._file_runs(namespace, catalog, lost)
            self._pin_what_was_kept(catalog)
        if lost:
            _log.info("filed lost checkpoints again", extra={"namespace": namespace, "count": len(filed)})
            self._parts.filed(namespace)

    def _pin_what_was_kept(self, catalog: Catalog) -> None:
        """Pin what was lost of runs that are older than those that are kept without a pin, from whichever pool it came."""
        for run in counted_runs(catalog)[: -self._rules.runs]:
            for version in versions_of(catalog, run):
                if version.id in self._filed:
                    catalog.versions.save(replace(version, pinned=True))

    def _is_lost(self, catalog: Catalog, version: Version) -> bool:
        """Tell whether nothing rests on a cut that is there; it may have gone while the pool was listed."""
        if _knows(catalog, version.id) or catalog.versions.sharing(version.cut_name):
            return False
        return version.cut is not None and self._cuts.is_there(version.cut)

    def _file_runs(self, namespace: str, catalog: Catalog, lost: Iterable[Told]) -> None:
        """Have the attempts of which something was lost in their runs."""
        told = {version: each for each in lost for version in _sides(each)}
        for run in runs_of(catalog.versions.list(VersionFilter()), ()):
            for step in run.steps:
                for attempt in step.attempts:
                    found = told.get(attempt.after or "") or told.get(attempt.before or "")
                    if found is not None and found.visit is not None:
                        visited = _visited(attempt, found.visit, found.mounts)
                        self._file_attempt(namespace, run, step.name, visited)

    def _file_attempt(self, namespace: str, run: Run, step: str, attempt: Attempt) -> None:
        at = PodAtDoor(namespace, attempt.pod, attempt.pod_uid)
        if attempt.exit_status is None and self._parts.pods.pod(at) is not None:
            attempt = replace(attempt, status=StepStatus.RUNNING, finished_at=None, message="")
            self._parts.begun(at)
        self._visiting.book(namespace).found_again(run, step, attempt)


def _file_versions(catalog: Catalog, lost: Sequence[Told]) -> set[str]:
    """File what cuts tell of, and what rests on them; give the ids of what was not there."""
    versions = {each.version.id: each.version for each in lost}
    owners = {each.id: each for each in catalog.versions.list(VersionFilter())} | versions
    versions |= {found.id: found for each in lost if (found := _resting(each, owners)) is not None}
    missing = [version for version in versions.values() if not _knows(catalog, version.id)]
    for version in sorted(missing, key=lambda each: each.created_at):
        catalog.versions.add(version)
    return {version.id for version in missing}


def _by_namespace(cuts: Iterable[LabelledCut]) -> Mapping[str, Sequence[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for cut in cuts:
        try:
            told = _told(cut)
        except InvalidRequest as error:
            _log.warning("a checkpoint cannot be filed again", extra={"snapshot": cut.handle, "error": str(error)})
        else:
            if told is not None:
                found[told.namespace].append(told)
    return found


def _told(cut: LabelledCut) -> Told | None:
    """Read all that a cut says, None where it may be anybody's; raise InvalidRequest where it is wrong or incomplete."""
    labels = cut.snapshots[0].labels
    if is_of_a_visit(labels):
        return _told_of_visit(cut, told_visit(labels))
    return _told_of_asked(cut, told_namespace(labels)) if was_asked_for(labels) else None


def _told_of_asked(cut: LabelledCut, namespace: str) -> Told:
    version = read_version(cut).version
    if version.bucket != NOTEBOOKS_BUCKET or version.reason.kind is not ReasonKind.MANUAL:
        raise InvalidRequest(f"its labels say that somebody asked for it, and that it is {version.reason.kind}")
    return Told(namespace, replace(version, cut_name=cut_of_asked(version.id)))


def _told_of_visit(cut: LabelledCut, visit: ToldVisit) -> Told:
    read, uid, side = read_version(cut), visit.pod.uid, visit.side
    if read.version.id != version_at_door(uid, side):
        raise InvalidRequest(f"its labels say that it is the version {read.version.id}, which is not that visit's")
    version = replace(read.version, cut_name=cut_at_door(uid, side), late=visit.late)
    source = {snapshot.snapshot: snapshot.volume for snapshot in cut.snapshots}
    mounts = tuple(
        MountedVolume(
            member.volume, member.claim, member.mount_path, readonly=member.readonly, volume=source[member.snapshot]
        )
        for member in version.members
    )
    return Told(visit.pod.namespace, version, visit, read.before, mounts)


def _resting(told: Told, owners: Mapping[str, Version]) -> Version | None:
    """Give the version before the pod, where it rests on a cut whose owner is known, with its members there."""
    visit, before = told.visit, told.before
    owner = owners.get(before.same_cut_as or "") if before is not None else None
    if visit is None or before is None or owner is None or before.id != version_at_door(visit.pod.uid, Side.BEFORE):
        return None
    wanted = visit.resting
    there = {member.snapshot: member for member in owner.members}
    if len(wanted) != len(told.version.members) or not set(wanted) <= there.keys():
        return None
    members = (
        replace(member, snapshot=snapshot, size=there[snapshot].size, consistency=there[snapshot].consistency)
        for member, snapshot in zip(told.version.members, wanted, strict=True)
    )
    return replace(
        before,
        members=tuple(members),
        cut=owner.cut,
        cut_name=owner.cut_name,
        claims=told.version.claims,
        freeze_window_seconds=owner.freeze_window_seconds,
        consistency=owner.consistency,
        late=False,
    )


def _sides(told: Told) -> Sequence[str]:
    """Give the ids of the versions that a cut tells of."""
    return [each.id for each in (told.version, told.before) if each is not None]


def _visited(attempt: Attempt, visit: ToldVisit, mounts: tuple[MountedVolume, ...]) -> Attempt:
    return replace(attempt, pod=visit.pod.name, pod_uid=visit.pod.uid, mounts=mounts)


def _knows(catalog: Catalog, version: str) -> bool:
    try:
        catalog.versions.get(version)
    except RecordNotFound:
        return False
    return True
