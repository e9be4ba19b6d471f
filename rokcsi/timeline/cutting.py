"""How a version gets its cut: written down first, then cut, then ready; and what is left of one whose cut was refused.

Called for what is taken at the mount, and for what people ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rokcsi.model.errors import Busy, RokcsiError, Unavailable
from rokcsi.model.history import Member, MemberRole, Version, VersionState
from rokcsi.model.provisioner import SaidOfGroup
from rokcsi.model.runs import MountedVolume
from rokcsi.model.visits import CutVolume, VolumeCut, VolumeCuts
from rokcsi.timeline.visit_book import VisitBook

UNCLEAR = (Unavailable, Busy)  # after these the cut may have been made, or may yet be


def cut_as_written(
    cuts: VolumeCuts, book: VisitBook, wanted: Version, volumes: Sequence[str], said: SaidOfGroup
) -> VolumeCut:
    """Cut the volumes of a version that is written down, at one instant; raise what `VolumeCuts.cut` does.

    After a refusal nothing is left; while it is not known whether the cut was made, the
    version stays as one that is being taken.
    """
    try:
        return cuts.cut(wanted.cut_name, volumes, said)
    except UNCLEAR:
        raise
    except RokcsiError:
        book.strike(wanted.id)
        raise


def made_ready(wanted: Version, members: Sequence[Member], cut: VolumeCut) -> Version:
    """Give a version that was being taken with its cut, of which these are the members."""
    return replace(
        wanted,
        state=VersionState.READY,
        created_at=cut.created_at,
        members=tuple(replace(member, consistency=cut.consistency) for member in members),
        cut=cut.handle,
        freeze_window_seconds=cut.freeze_window_seconds,
        consistency=cut.consistency,
    )


def member_at(place: int, mount: MountedVolume, filed_under: str, cut: CutVolume) -> Member:
    """Give the member of a version for one of its volumes; the first one is the workspace."""
    return Member(
        object=f"{filed_under}_{mount.name}",
        volume=mount.name,
        claim=mount.claim,
        snapshot=cut.snapshot,
        size=cut.size,
        filesystem="",  # the snapshot knows it
        mount_path=mount.mount_path,
        role=MemberRole.WORKSPACE if place == 0 else MemberRole.DATASET,
        readonly=mount.readonly,
    )
