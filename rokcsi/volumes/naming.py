"""The names that callers may give, and those that we give ourselves.

CSI bans control characters from names (spec, CreateVolumeRequest.name), so a name of ours
that begins with one can never be a caller's. Such things are made on the way to something
else, or as members of a group.
"""

from __future__ import annotations

import re

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId

_LONGEST = 128
_BANNED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TRANSIENT = "\x1etransient "
_MEMBER = "\x1emember "


def checked_name(name: str) -> str:
    """Give a caller's name back when it is one; raise InvalidRequest."""
    length = len(name.encode(errors="surrogatepass"))
    if not 1 <= length <= _LONGEST:
        raise InvalidRequest(f"a name has 1 to {_LONGEST} bytes, not {length}; give a shorter one, or any at all")
    if _BANNED.search(name):
        raise InvalidRequest(f"the name {name!r} has a control character; leave it out")
    return name


def transient_name(purpose: str, id: VolumeId | SnapshotId) -> str:
    """Name what is made only on the way to `id`; the same each time, so that leftovers are found again."""
    return f"{_TRANSIENT}{purpose} {id}"


def is_transient(name: str) -> bool:
    """Tell whether a thing of this name is not to be shown to callers."""
    return name.startswith(_TRANSIENT)


def member_name(group: GroupId, volume: VolumeId) -> str:
    """Name the snapshot of one volume in a group."""
    return f"{_MEMBER}{group} {volume}"
