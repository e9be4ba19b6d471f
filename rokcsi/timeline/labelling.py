"""What the snapshots of a cluster's checkpoints say of them, so that a lost catalogue can be filled again.

Beside what those of every checkpoint say (`pipeline.labels`) it is whose visit it was, and
which snapshots a `before` rests on that has no cut of its own; or else in which namespace
somebody has asked for it:

    rok/visit    namespace, pod, the pod's UID, which end of the visit, whether it was late
    rok/resting  the snapshots that the version before the pod rests on, in the order of its volumes
    rok/asked    namespace

Read by `timeline.rebuilding`, as a stranger's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Member, Version
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.model.runs import MountedVolume
from rokcsi.pipeline.labels import labels_of

_VISIT, _RESTING, _ASKED = "rok/visit", "rok/resting", "rok/asked"


@dataclass(frozen=True, slots=True)
class ToldVisit:
    """Which end of whose visit a cut was made at; `resting` are snapshots, empty where its `before` has a cut."""

    pod: PodAtDoor
    side: Side
    late: bool = False
    resting: tuple[str, ...] = ()


def said_of_visit(
    visit: ToldVisit,
    version: Version,
    members: Sequence[Member],
    mounts: Sequence[MountedVolume],
    before: Version | None,
) -> SaidOfGroup:
    """Give what is said of a version that is about to be cut; `before` is the one before the pod, if it rests on a cut."""
    labels = labels_of(version, members, before)
    told = [visit.pod.namespace, visit.pod.name, visit.pod.uid, visit.side, int(visit.late)]
    of_all = {_VISIT: _written(told), **labels.of_all}
    if before is not None:
        of_all[_RESTING] = _written([member.snapshot for member in before.members])
    return SaidOfGroup({mount.volume: labels.of_claims[mount.claim] for mount in mounts}, of_all)


def said_of_asked(namespace: str, taking: Version) -> SaidOfGroup:
    """Give what is said of a version that somebody asked for; its members name their volumes' handles as snapshots yet."""
    labels = labels_of(taking, taking.members, None)
    own = {member.snapshot: labels.of_claims[member.claim] for member in taking.members}
    return SaidOfGroup(own, {_ASKED: _written([namespace]), **labels.of_all})


def is_of_a_visit(labels: Mapping[str, str]) -> bool:
    """Tell whether anything says so; other cuts may be anybody's."""
    return _VISIT in labels


def was_asked_for(labels: Mapping[str, str]) -> bool:
    """Tell whether anything says so, as above."""
    return _ASKED in labels


def told_visit(labels: Mapping[str, str]) -> ToldVisit:
    """Read whose visit it was; raise InvalidRequest where the label is wrong."""
    try:
        namespace, pod, uid, side, late = json.loads(labels[_VISIT])
        resting = json.loads(labels.get(_RESTING, "[]"))
        at = PodAtDoor(_text(namespace), _text(pod), _text(uid))
        return ToldVisit(at, Side(side), bool(late), tuple(_text(each) for each in resting))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"its labels do not say whose visit it was: {error!s:.128}") from error


def told_namespace(labels: Mapping[str, str]) -> str:
    """Read where somebody has asked for it; raise InvalidRequest where the label is wrong."""
    try:
        [namespace] = json.loads(labels[_ASKED])
        return _text(namespace)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"its labels do not say where it was asked for: {error!s:.128}") from error


def _written(content: Sequence[object]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _text(found: object) -> str:
    if not isinstance(found, str) or not found:
        raise TypeError(f"{found!r:.64} where a text is meant")
    return found
