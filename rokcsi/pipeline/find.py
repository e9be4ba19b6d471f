"""From what a user types or pastes to the version, or the one member of it, that is meant."""

from __future__ import annotations

from dataclasses import dataclass

from rokcsi.model.errors import RecordNotFound
from rokcsi.model.history import Member, Version
from rokcsi.model.origin import VersionReference
from rokcsi.pipeline.world import World


@dataclass(frozen=True, slots=True)
class Found:
    """A version; `member` is set when the URL of one member was given."""

    version: Version
    member: Member | None = None


def find_version(world: World, text: str) -> Found:
    """Read an id, the first 6 or more digits of one, or a URL; raise InvalidRequest, RecordNotFound."""
    reference = VersionReference.parse(text)
    version = world.catalog.versions.find(reference.prefix)
    origin = reference.origin
    if origin is None or (origin.bucket == version.bucket and origin.object == version.object):
        return Found(version)
    member = next((member for member in version.members if member.object == origin.object), None)
    if member is None or origin.bucket != version.bucket:
        raise RecordNotFound(
            f"version {version.id} is filed under {version.bucket}/{version.object}, "
            f"not under {origin.bucket}/{origin.object}; copy its URL again"
        )
    return Found(version, member)
