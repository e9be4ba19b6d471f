"""What a crash, or a stranger, has left in the pool, and how it is taken away.

Called by the pool for `rokcsi doctor`. Nothing here is ever removed unasked; unfinished
files never show up here, since a file has no name until it is complete.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.pool import Leftover
from rokcsi.pools.index import Index
from rokcsi.pools.loopfile.attachments import Attachments
from rokcsi.pools.loopfile.disk import Disk, on_disk
from rokcsi.pools.loopfile.templates import is_template
from rokcsi.system import loops
from rokcsi.system.freezing import Freezer
from rokcsi.system.loops import FileKey, LoopDevice
from rokcsi.system.mounts import read_mountinfo

_ID = re.compile(r"[0-9a-f]{32}")
_DELETED = " (deleted)"


class Leftovers:
    """Finds what nobody owns in a pool."""

    def __init__(self, disk: Disk, index: Index, attachments: Attachments, freezer: Freezer) -> None:
        self._disk = disk
        self._index = index
        self._attachments = attachments
        self._freezer = freezer

    def find(self) -> Sequence[Leftover]:
        """Give what nobody owns; changes nothing."""
        with on_disk("look through the pool"):
            return [leftover for leftover, _ in self._found()]

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, if it is still one; raise StillInUse when it is not any more, or may hold somebody's bytes."""
        if not leftover.clearable:
            raise StillInUse(f"{leftover.where} is not removed: {leftover.why}")
        with on_disk(f"clear {leftover.where}"):
            key = next((key for found, key in self._found() if found == leftover), None)
            if key is None:
                raise StillInUse(f"{leftover.where} is no leftover any more; look again")
            if leftover.kind == "loop":
                loops.detach(LoopDevice(int(leftover.where.name.removeprefix("loop"))), key)
            else:
                leftover.where.unlink()
                self._disk.flush_names(leftover.where.parent)

    def _found(self) -> Iterator[tuple[Leftover, FileKey]]:
        yield from self._unknown_files()
        yield from self._damaged_files()
        attached = loops.attached_loops()
        yield from self._idle_loops(attached)
        yield from self._loops_of_deleted_files(attached)

    def _unknown_files(self) -> Iterator[tuple[Leftover, FileKey]]:
        for folder, is_known in (
            (self._disk.volumes, lambda name: _ID.fullmatch(name) and self._index.has_volume(VolumeId(name))),
            (self._disk.snapshots, lambda name: _ID.fullmatch(name) and self._index.has_snapshot(SnapshotId(name))),
            (self._disk.templates, is_template),
        ):
            for entry in os.scandir(folder):
                if entry.is_file(follow_symlinks=False) and not is_known(entry.name):
                    yield (
                        Leftover("file", Path(entry.path), "it carries no record of ours"),
                        loops.key_of(Path(entry.path)),
                    )

    def _damaged_files(self) -> Iterator[tuple[Leftover, FileKey]]:
        volumes = {self._disk.volume(id_): why for id_, why in self._index.damaged_volumes.items()}
        snapshots = {self._disk.snapshot(id_): why for id_, why in self._index.damaged_snapshots.items()}
        for path, why in {**volumes, **snapshots}.items():
            if path.exists():
                yield Leftover("damaged file", path, why, clearable=False), loops.key_of(path)

    def _idle_loops(self, attached: dict[FileKey, LoopDevice]) -> Iterator[tuple[Leftover, FileKey]]:
        shown = {Path(entry.root).name for entry in read_mountinfo() if entry.filesystem in {"devtmpfs", "tmpfs"}}
        for volume in self._index.volumes():
            key = loops.key_of(self._disk.volume(volume.id))
            loop = attached.get(key)
            if loop is None or loop.path.name in shown or self._freezer.point_of(loop.device) or loops.is_claimed(loop):
                continue
            yield (
                Leftover(
                    "loop", loop.path, f"the volume {volume.name!r} is attached, and neither mounted nor published"
                ),
                key,
            )

    def _loops_of_deleted_files(self, attached: dict[FileKey, LoopDevice]) -> Iterator[tuple[Leftover, FileKey]]:
        device = self._disk.root.stat().st_dev
        for key, loop in attached.items():
            shown = Path(f"/sys/block/{loop.path.name}/loop/backing_file")
            backing = Path(shown.read_text().strip().removesuffix(_DELETED)) if shown.exists() else Path()
            is_ours = key[0] == device and backing.parent.name == "volumes" and _ID.fullmatch(backing.name)
            if is_ours and not self._disk.volume(VolumeId(backing.name)).exists() and not loops.is_claimed(loop):
                yield Leftover("loop", loop.path, "the volume it shows was deleted"), key
