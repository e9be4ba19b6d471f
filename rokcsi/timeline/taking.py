"""How the version at one end of a visit comes into the catalogue: with a cut of its own, or resting on one that is there.

The version's id and the cut's name follow from the pod and the side, so whoever comes again
after a crash finds what was begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rokcsi.model.deadline import current_deadline
from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.history import Member, Reason, ReasonKind, Version, VersionState
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.model.runs import MountedVolume
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import CutVolume, VolumeCut, VolumeCuts, cut_at_door, version_at_door
from rokcsi.pipeline.titles import step_title
from rokcsi.timeline.cutting import cut_as_written, made_ready, member_at
from rokcsi.timeline.delay import Delay, Part
from rokcsi.timeline.labelling import ToldVisit, said_of_visit
from rokcsi.timeline.visit_book import Visit, VisitBook

_KINDS = {Side.BEFORE: ReasonKind.STEP_BEFORE, Side.AFTER: ReasonKind.STEP_AFTER}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is known of the instant: which end of which visit, who else may be writing, whether it is late already.

    `delay` is what it has taken so far.
    """

    visit: Visit
    side: Side
    parent: str | None = None
    concurrent: tuple[str, ...] = ()
    late: bool = False
    delay: Delay = field(default_factory=Delay, compare=False)

    @property
    def version(self) -> str:
        """Give the id of the version that is taken."""
        return version_at_door(self.visit.attempt.pod_uid, self.side)

    @property
    def mounts(self) -> Sequence[MountedVolume]:
        """Give the volumes that it is of."""
        return self.visit.attempt.mounts


class Taking:
    """Takes versions of volumes, by the nodes' own cuts."""

    def __init__(self, cuts: VolumeCuts) -> None:
        self._cuts = cuts

    def taken(self, book: VisitBook, occasion: Occasion) -> Version:
        """Cut all volumes at one instant, and file the version; raises what `cut_as_written` does, and leaves the same."""
        wanted = _version(book, occasion)
        book.file(wanted)
        volumes, said = [mount.volume for mount in occasion.mounts], _said(book, occasion, wanted)
        with occasion.delay.of(Part.CUT):
            cut = cut_as_written(self._cuts, book, wanted, volumes, said)
        occasion.delay.add(Part.FREEZE, cut.freeze_window_seconds)
        # Whoever asked may have gone on without it, and the pod with them.
        ready = _ready(wanted, occasion, cut, late=occasion.late or not _is_awaited())
        book.file(ready)
        return ready

    def resting(self, book: VisitBook, occasion: Occasion, other: Version, snapshots: Sequence[str]) -> Version:
        """File a version that rests on the cut of another: `snapshots` are its members there, in the order of the volumes."""
        there = {member.snapshot: member for member in other.members}
        ready = replace(
            _version(book, occasion),
            state=VersionState.READY,
            members=tuple(
                replace(
                    _member(occasion, place, CutVolume("", snapshot, there[snapshot].size)),
                    consistency=there[snapshot].consistency,
                )
                for place, snapshot in enumerate(snapshots)
            ),
            cut_name=other.cut_name,
            cut=other.cut,
            same_cut_as=other.same_cut_as or other.id,
            freeze_window_seconds=other.freeze_window_seconds,
            consistency=other.consistency,
        )
        book.file(ready)
        return ready


def _version(book: VisitBook, occasion: Occasion) -> Version:
    attempt, who = occasion.visit.attempt, occasion.visit.who
    after = occasion.side is Side.AFTER
    return Version(
        id=occasion.version,
        bucket=who.pipeline,
        object=who.run,
        created_at=book.now(),
        reason=Reason(
            kind=_KINDS[occasion.side],
            run=who.run,
            step=who.step,
            attempt=attempt.number,
            exit_status=attempt.exit_status if after else None,
            command=attempt.command,
            environment=attempt.environment,
            working_directory=attempt.working_directory,
            template=attempt.template,
        ),
        title=step_title(who.step, attempt.number, _KINDS[occasion.side], attempt.exit_status),
        message=attempt.message if after else "",
        state=VersionState.TAKING,
        cut_name=cut_at_door(attempt.pod_uid, occasion.side),
        claims=tuple(mount.claim for mount in occasion.mounts),
        parent=occasion.parent,
        completed_steps=book.completed(who.run),
        concurrent_steps=occasion.concurrent,
        late=occasion.late,
    )


def _said(book: VisitBook, occasion: Occasion, wanted: Version) -> SaidOfGroup:
    attempt = occasion.visit.attempt
    before = book.taken(version_at_door(attempt.pod_uid, Side.BEFORE)) if occasion.side is Side.AFTER else None
    members = [_member(occasion, place, CutVolume("", "", Bytes(0))) for place in range(len(occasion.mounts))]
    visit = ToldVisit(PodAtDoor(book.namespace, attempt.pod, attempt.pod_uid), occasion.side, occasion.late)
    resting = before if before is not None and before.same_cut_as else None
    return said_of_visit(visit, wanted, members, occasion.mounts, resting)


def _ready(wanted: Version, occasion: Occasion, cut: VolumeCut, *, late: bool) -> Version:
    cut_of = {each.volume: each for each in cut.volumes}
    members = [_member(occasion, place, cut_of[mount.volume]) for place, mount in enumerate(occasion.mounts)]
    return replace(made_ready(wanted, members, cut), late=late)


def _member(occasion: Occasion, place: int, cut: CutVolume) -> Member:
    return member_at(place, occasion.mounts[place], occasion.visit.who.run, cut)


def _is_awaited() -> bool:
    limit = current_deadline()
    return limit.caller_is_there() and limit.remaining_seconds() != 0.0
