"""Names that cannot be abused.

A CSI name is any Unicode text, so it is hashed: the identity of a thing is a function of
its name, and a repeated call finds what the first one made without any record of it.
A handle is what callers hold: kind, pool and identity in one strict form of 67 characters
(`v-<pool: 32 hex>-<id: 32 hex>`), checked before any other use. A snapshot has two: `s-…`, and
`m-…`, under which a member of a group is shown by itself, as if it were of none.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Self

from rokcsi.model.errors import GroupNotFound, NotFound, SnapshotNotFound, VolumeNotFound

_HEX = re.compile(r"[0-9a-f]{32}")
_HANDLE = re.compile(r"([vsmg])-([0-9a-f]{32})-([0-9a-f]{32})")


class _Id(str):
    """Thirty-two lower-case hexadecimal digits."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if _HEX.fullmatch(text) is None:
            raise ValueError(f"not an id of 32 hexadecimal digits: {text!r}")
        return super().__new__(cls, text)

    @classmethod
    def of_name(cls, name: str) -> Self:
        """Give the identity that this name always has; every kind of id has its own space."""
        text = f"{cls.__name__}\0{name}".encode(errors="surrogatepass")
        return cls(hashlib.sha256(text).hexdigest()[:32])


class PoolId(_Id):
    """The identity of a pool, kept in the pool itself; it outlives the node's name."""

    __slots__ = ()

    @classmethod
    def fresh(cls) -> PoolId:
        """Give an identity that no pool has had before."""
        return cls(uuid.uuid4().hex)


class VolumeId(_Id):
    """The identity of a volume within its pool."""

    __slots__ = ()


class SnapshotId(_Id):
    """The identity of a snapshot within its pool."""

    __slots__ = ()


class GroupId(_Id):
    """The identity of a group of snapshots within its pool."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Handles:
    """Writes and reads the handles of one pool.

    Reading a malformed handle, or one of another pool, raises the NotFound of its kind:
    for this pool such a thing does not exist.
    """

    pool: PoolId

    def of_volume(self, id: VolumeId) -> str:
        """Give the CSI volume_id."""
        return f"v-{self.pool}-{id}"

    def of_snapshot(self, id: SnapshotId) -> str:
        """Give the CSI snapshot_id."""
        return f"s-{self.pool}-{id}"

    def of_group(self, id: GroupId) -> str:
        """Give the CSI group_snapshot_id."""
        return f"g-{self.pool}-{id}"

    def volume(self, handle: str) -> VolumeId:
        """Read a CSI volume_id; raise VolumeNotFound."""
        return VolumeId(self._id("v", handle, VolumeNotFound))

    def snapshot(self, handle: str) -> SnapshotId:
        """Read a CSI snapshot_id; raise SnapshotNotFound."""
        return SnapshotId(self._id("sm", handle, SnapshotNotFound))

    def group(self, handle: str) -> GroupId:
        """Read a CSI group_snapshot_id; raise GroupNotFound."""
        return GroupId(self._id("g", handle, GroupNotFound))

    def _id(self, letters: str, handle: str, missing: type[NotFound]) -> str:
        pool, digits = _parts(letters, handle, missing)
        if pool != self.pool:
            raise missing(f"{handle!r} belongs to another pool than the one served here")
        return digits


def shown_alone(handle: str) -> str:
    """Give the handle under which a snapshot is shown as if it were of no group.

    Kubernetes' snapshot-controller takes no VolumeSnapshot of a group's member for ready
    unless the group is in the cluster, too.
    """
    return f"m{handle[1:]}"


def is_shown_alone(handle: str) -> bool:
    """Tell whether a snapshot_id is of that kind."""
    return handle.startswith("m-")


def own_handle(handle: str) -> str:
    """Give the snapshot's own handle, by whichever it was named."""
    return f"s{handle[1:]}" if is_shown_alone(handle) else handle


def pool_of_volume(handle: str) -> PoolId:
    """Give the pool in a CSI volume_id; raise VolumeNotFound for a malformed one."""
    return PoolId(_parts("v", handle, VolumeNotFound)[0])


def pool_of_snapshot(handle: str) -> PoolId:
    """Give the pool in a CSI snapshot_id; raise SnapshotNotFound for a malformed one."""
    return PoolId(_parts("sm", handle, SnapshotNotFound)[0])


def pool_of_group(handle: str) -> PoolId:
    """Give the pool in a CSI group_snapshot_id; raise GroupNotFound for a malformed one."""
    return PoolId(_parts("g", handle, GroupNotFound)[0])


def _parts(letters: str, handle: str, missing: type[NotFound]) -> tuple[str, str]:
    """Give the pool's and the thing's digits."""
    match = _HANDLE.fullmatch(handle)
    if match is None or match[1] not in letters:
        raise missing(f"{handle[:128]!r} is not a handle of this driver")
    return match[2], match[3]
