"""What the snapshots of a checkpoint at the mount say of it, so that a lost catalogue can be filled again.

Beside what those of every checkpoint say (`pipeline.labels`) it is whose visit it was, and
which snapshots a `before` rests on that has no cut of its own:

    rok/visit    namespace, pod, the pod's UID, which end of the visit, whether it was late
    rok/resting  the snapshots that the version before the pod rests on, in the order of its volumes

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

_VISIT, _RESTING = "rok/visit", "rok/resting"


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


def is_of_a_visit(labels: Mapping[str, str]) -> bool:
    """Tell whether anything says so; other cuts may be anybody's."""
    return _VISIT in labels


def told_visit(labels: Mapping[str, str]) -> ToldVisit:
    """Read whose visit it was; raise InvalidRequest where the label is wrong."""
    try:
        namespace, pod, uid, side, late = json.loads(labels[_VISIT])
        resting = json.loads(labels.get(_RESTING, "[]"))
        at = PodAtDoor(_text(namespace), _text(pod), _text(uid))
        return ToldVisit(at, Side(side), bool(late), tuple(_text(each) for each in resting))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"its labels do not say whose visit it was: {error!s:.128}") from error


def _written(content: Sequence[object]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _text(found: object) -> str:
    if not isinstance(found, str) or not found:
        raise TypeError(f"{found!r:.64} where a text is meant")
    return found
