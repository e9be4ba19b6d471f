"""Reading a pool's files at the start: the index, the loops that a driver before us has left, and frozen writers.

Called once by the pool. Five thousand volumes take about a fifth of a second.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.disk import Disk, on_disk
from rokcsi.pools.loopfile.index import Index
from rokcsi.pools.loopfile.records import ATTRIBUTE, read_snapshot, read_volume
from rokcsi.system.freezing import Freezer, thaw_all
from rokcsi.system.loops import LoopDevice, attached_loops

_ID = re.compile(r"[0-9a-f]{32}")


def read_pool(disk: Disk, index: Index, attachments: Attachments, freezer: Freezer) -> None:
    """Fill the index and the attachments; raise Damaged when a record cannot be read.

    Files without a record are nobody's: they stay, and show as leftovers.
    """
    with on_disk("read the pool"):
        attached = _attached_volumes(disk)
        # Before anything else: somebody may be waiting for it.
        thaw_all(point for loop in attached.values() if (point := freezer.point_of(loop.device)) is not None)
        for name, size, text in _records(disk.volumes):
            index.put_volume(read_volume(VolumeId(name), size, text))
        for name, size, text in _records(disk.snapshots):
            index.put_snapshot(read_snapshot(SnapshotId(name), size, text))
    for id_, loop in attached.items():
        attachments.adopt(id_, loop)


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


def _records(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    for entry in os.scandir(folder):
        if _ID.fullmatch(entry.name) is None:
            continue
        try:
            text = os.getxattr(entry.path, ATTRIBUTE, follow_symlinks=False)
        except OSError:
            continue
        yield entry.name, entry.stat(follow_symlinks=False).st_size, text
