"""A story that makes every changing call of a pool once, and can go on after its driver was killed at any place in it.

As a program it plays the story on the lvm-direct pool named by its arguments, and prints the name of each
step that is over; a failpoint may kill it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from rokcsi.model.errors import NotFound
from rokcsi.model.ids import GroupId, SnapshotId, VolumeId
from rokcsi.model.pool import Pool
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import GroupMembership, NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource

MIB = 1 << 20
CONTENT = hashlib.sha256(b"the story").digest() * (MIB // 32)
Step = tuple[str, Callable[[Pool], object]]

_ONE, _TWO = VolumeId.of_name("one"), VolumeId.of_name("two")
_CUT = SnapshotId.of_name("cut")
_GROUP = GroupMembership.of_name("group", 2)
_MEMBERS = [NewSnapshot(f"member of {it}", it, _GROUP) for it in (_ONE, _TWO)]


def steps() -> Sequence[Step]:
    """Give the story's steps in their order; what they give is the same when they are repeated."""
    return [
        ("create", lambda pool: pool.create_volume(NewVolume("one", Bytes(2 * MIB), None))),
        ("write", lambda pool: _write(pool, _ONE)),
        ("cut", lambda pool: pool.take_snapshots([NewSnapshot("cut", _ONE)])),
        (
            "clone",
            lambda pool: pool.clone_snapshot(_CUT, NewVolume("two", Bytes(3 * MIB), None, VolumeSource(snapshot=_CUT))),
        ),
        ("read", lambda pool: _read(pool, _TWO)),
        ("group", lambda pool: pool.take_snapshots(_MEMBERS)),
        ("grow", lambda pool: pool.grow_volume(_ONE, Bytes(4 * MIB))),
        ("look", lambda pool: _size_of_device(pool, _ONE)),
        ("label", lambda pool: pool.label_volume(_ONE, {"who": "me"})),
        ("label cut", lambda pool: pool.label_snapshot(_CUT, {"why": "to look"})),
        ("delete group", _delete_group),
        ("detach", lambda pool: pool.detach(_TWO)),
        ("delete one", lambda pool: _delete(pool, _ONE)),
        ("read again", lambda pool: _read(pool, _TWO)),
        ("delete cut", lambda pool: _delete_snapshot(pool, _CUT)),
        ("delete two", lambda pool: _delete(pool, _TWO)),
    ]


def _write(pool: Pool, id: VolumeId) -> None:
    device = os.open(pool.attach(id), os.O_WRONLY)
    try:
        os.pwrite(device, CONTENT, 0)
        os.fsync(device)
    finally:
        os.close(device)


def _read(pool: Pool, id: VolumeId) -> None:
    with pool.attach(id).open("rb") as device:
        assert device.read(MIB) == CONTENT, "the volume does not hold what was written"


def _size_of_device(pool: Pool, id: VolumeId) -> int:
    with pool.attach(id).open("rb") as device:
        return device.seek(0, os.SEEK_END)


def _delete(pool: Pool, id: VolumeId) -> None:
    with suppress(NotFound):
        pool.delete_volume(id)


def _delete_snapshot(pool: Pool, id: SnapshotId) -> None:
    with suppress(NotFound):
        pool.delete_snapshots([id])


def _delete_group(pool: Pool) -> None:
    with suppress(NotFound):
        pool.delete_snapshots([member.id for member in pool.group(GroupId.of_name("group"))])


def played(pool: Pool, after: Sequence[str] = ()) -> Iterator[tuple[str, object]]:
    """Play the steps that come after those named; give the name and the answer of each."""
    for name, step in steps()[len(after) :]:
        yield name, step(pool)


def _main(group: str, thin_pool: str) -> None:
    from tests.fakes.lvm_direct_pools import LvmDirectPools, as_served  # noqa: PLC0415 - only the program needs it

    for name, _ in played(as_served(LvmDirectPools(group, thin_pool).open())):
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
