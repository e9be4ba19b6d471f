"""Reading a pool's files at the start: the index, the loops that a driver before us has left, and frozen writers.

Called once by the pool. Five thousand volumes take about a tenth of a second.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.index import Index
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.batches import Batches
from rokcsi.pools.loopfile.disk import Disk, on_disk, opened
from rokcsi.pools.loopfile.records import ATTRIBUTE, read_snapshot, read_volume
from rokcsi.system.freezing import Freezer, thaw_all
from rokcsi.system.linking import flush_filesystem
from rokcsi.system.loops import LoopDevice, attached_loops, is_claimed
from rokcsi.system.unseen_mounts import thaw_unseen

_ID = re.compile(r"[0-9a-f]{32}")
_log = logging.getLogger(__name__)


def read_pool(disk: Disk, index: Index, batches: Batches, attachments: Attachments, freezer: Freezer) -> None:
    """Fill the index and the attachments; what cannot be read is set aside, and keeps nobody from the rest."""
    with on_disk("read the pool"):
        attached = _attached_volumes(disk)
        # Before anything else: somebody may be waiting for it.
        _thaw(attached.values(), freezer)
        # A driver killed before its flush has left names, or gaps, that only the memory knows: from
        # now on a repeated call is answered by what is seen here, so it has to be on the disk.
        with opened(disk.root) as root:
            flush_filesystem(root)
        for entry in _entries(disk.volumes):
            _put_volume(entry, index)
        for entry in _entries(disk.snapshots):
            _put_snapshot(entry, index, batches)
    for id_, loop in attached.items():
        attachments.adopt(id_, loop)


def _thaw(attached: Iterable[LoopDevice], freezer: Freezer) -> None:
    points = {loop: freezer.point_of(loop.device) for loop in attached}
    thaw_all(point for point in points.values() if point is not None)
    for loop in (loop for loop, point in points.items() if point is None):
        # Mounted in a mount namespace that we do not see: that of a driver before us, or of its pods.
        if is_claimed(loop) and thaw_unseen(loop.path):
            _log.warning("%s was left frozen in another mount namespace, and is thawed now", loop.path)


def _attached_volumes(disk: Disk) -> dict[VolumeId, LoopDevice]:
    device = disk.root.stat().st_dev
    loops = {key: loop for key, loop in attached_loops().items() if key[0] == device}
    if not loops:
        return {}
    keys = (
        (entry.name, (key := entry.stat(follow_symlinks=False)).st_dev, key.st_ino)
        for entry in os.scandir(disk.volumes)
    )
    return {
        VolumeId(name): loops[device, inode]
        for name, device, inode in keys
        if (device, inode) in loops and _ID.fullmatch(name)
    }


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Give what may be a volume or a snapshot; a `Path` of each would cost as much again as all that is read of it."""
    return (entry for entry in os.scandir(folder) if _ID.fullmatch(entry.name))


def _put_volume(entry: os.DirEntry[str], index: Index) -> None:
    id_ = VolumeId(entry.name)
    try:
        index.put_volume(read_volume(id_, *_record(entry)))
    except Damaged as damage:
        _set_aside(entry, id_, damage, index)


def _put_snapshot(entry: os.DirEntry[str], index: Index, batches: Batches) -> None:
    id_ = SnapshotId(entry.name)
    try:
        batches.put(read_snapshot(id_, *_record(entry)))
    except Damaged as damage:
        _set_aside(entry, id_, damage, index)


def _record(entry: os.DirEntry[str]) -> tuple[int, bytes]:
    """Give a file's length and its record; raise Damaged."""
    try:
        return entry.stat(follow_symlinks=False).st_size, os.getxattr(entry.path, ATTRIBUTE, follow_symlinks=False)
    except OSError as error:
        why = "is missing" if error.errno == errno.ENODATA else f"cannot be read ({error.strerror})"
        raise Damaged(
            f"the attribute {ATTRIBUTE} of the file {entry.name} {why}; restore or remove the file"
        ) from error


def _set_aside(entry: os.DirEntry[str], id: VolumeId | SnapshotId, damage: Damaged, index: Index) -> None:
    _log.warning("%s is set aside: %s", entry.path, damage)
    index.set_aside(id, str(damage))
