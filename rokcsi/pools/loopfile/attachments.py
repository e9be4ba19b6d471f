"""Which volume is shown by which loop device.

Called by the pool. What is remembered here is checked with the kernel each time: whoever
runs losetup may have changed it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from rokcsi.model.ids import VolumeId
from rokcsi.pools.loopfile.disk import Disk, on_disk
from rokcsi.system import loops
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.loops import LoopDevice

declare("loopfile.attach.attached", "loopfile.detach.detached")


class Attachments:
    """The loop devices over a pool's volumes; calls for one volume come one after the other."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._loops: dict[VolumeId, LoopDevice] = {}

    def adopt(self, id: VolumeId, loop: LoopDevice) -> None:
        """Take over a loop that a driver before us has attached."""
        with on_disk(f"take over {loop.path}"):
            if loops.settle(loop, self._disk.volume(id)):
                self._loops[id] = loop

    def loop_of(self, id: VolumeId) -> LoopDevice | None:
        """Give the loop over a volume, None when it is not attached."""
        loop = self._loops.get(id)
        if loop is None:
            return None
        with on_disk("look at a volume's file"):
            return loop if loops.is_over(loop, loops.key_of(self._disk.volume(id))) else None

    def attach(self, id: VolumeId) -> Path:
        """Give the block device of a volume, the same one as long as it is attached; raise SystemCallFailed."""
        path, loop = self._disk.volume(id), self.loop_of(id)
        with on_disk(f"attach {path}"):
            if loop is None or not loops.settle(loop, path):
                loop = loops.attach(path)
        failpoint("loopfile.attach.attached")
        self._loops[id] = loop
        return loop.path

    def detach(self, id: VolumeId) -> None:
        """Take a volume's block device away, if it has one; raise StillInUse."""
        loop = self.loop_of(id)
        if loop is not None:
            with on_disk("look at a volume's file"):
                key = loops.key_of(self._disk.volume(id))
            loops.detach(loop, key)
            failpoint("loopfile.detach.detached")
        with contextlib.suppress(KeyError):
            del self._loops[id]
