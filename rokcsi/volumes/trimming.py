"""Giving the space of deleted files back to the pool: when a volume is unstaged, and once a day while it is in use.

Never on the way to a pod, and nothing that goes wrong here is anybody's error: what is not
given back today is given back another time. The work is done part by part. A part is smaller than an
allocation group of any XFS that we make: the kernel walks a whole group by the sizes of its free
extents, and then passes over most of those of equal size (docs/decisions/extents.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeGuard

from rokcsi.model.errors import NotSupported, RokcsiError
from rokcsi.model.sizes import Bytes
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.volumes.node_side import NodeSide
from rokcsi.volumes.records import Staged
from rokcsi.volumes.suiting import is_readonly

declare("node.unstage.trimmed")

_SMALLEST_PART = 64 << 20
_MOST_PARTS = 1024
_LONGEST_SECONDS = 5.0  # at the end of a stage, somebody waits
_log = logging.getLogger(__name__)


class Trimming:
    """Trims what is staged writable; raw block volumes and those for readers are left alone."""

    def __init__(self, node: NodeSide) -> None:
        self._node = node

    def trim_last(self, record: Staged) -> None:
        """Trim a volume before its last unmount; the caller keeps others away from it. Raises nothing of ours."""
        if not _is_written(record):
            return
        until = time.monotonic() + _LONGEST_SECONDS
        try:
            # What was deleted a moment ago is free only once that is on the disk; the unmount would write it, too.
            self._node.mounter.write_out(record.device, record.path)
            for part in self._parts(record):
                if time.monotonic() > until or not self._node.mounter.trim(record.device, record.path, part):
                    break
        except RokcsiError as failure:
            _tell(record, failure)
        failpoint("node.unstage.trimmed")

    def trim_staged(self, go_on: Callable[[], bool]) -> None:
        """Trim every volume that is staged now, while `go_on` (asked between two parts, may pause) says so."""
        for record in {record.volume: record for record in self._node.records if _is_written(record)}.values():
            try:
                self._trim_in_turns(record, go_on)
            except RokcsiError as failure:
                _tell(record, failure)

    def _trim_in_turns(self, record: Staged, go_on: Callable[[], bool]) -> None:
        """Trim a volume in use; between two parts whoever wants the volume has it."""
        for part in self._parts(record):
            if not go_on():
                return
            with self._node.alone(record.volume, record.path):
                if self._node.records.staged_at(record.volume, record.path) != record:
                    return
                if not self._node.mounter.trim(record.device, record.path, part):
                    return

    def _parts(self, record: Staged) -> Iterator[range]:
        size = self._node.mounter.device_size(record.device)
        length = Bytes(max(_SMALLEST_PART, size // _MOST_PARTS)).rounded_up(self._node.pool.traits.allocation_unit)
        return (range(start, min(start + length, size)) for start in range(0, size, length))


def _is_written(record: object) -> TypeGuard[Staged]:
    return isinstance(record, Staged) and not record.access.block and not is_readonly(record.access)


def _tell(record: Staged, failure: RokcsiError) -> None:
    level = logging.DEBUG if isinstance(failure, NotSupported) else logging.WARNING
    _log.log(level, "not trimmed", extra={"volume": record.volume, "reason": str(failure)})
