"""Makes, copies and removes volumes and snapshots: what the CSI controller services ask for.

The rules that hold for every pool stand here once. A volume asked for again is the same when
its size lies within the range asked for, and its source and file system are those asked
for. A volume from a volume is a snapshot, a clone, and the end of the snapshot.

A raw block volume may be made from a file system's snapshot (backup programs read it so),
never the other way round: the kernel would be made to mount bytes that somebody wrote to a
raw device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rokcsi.model.errors import (
    GroupNotFound,
    InvalidRequest,
    NotFound,
    RokcsiError,
    SnapshotDiffers,
    SnapshotNotFound,
    VolumeDiffers,
    VolumeNotFound,
)
from rokcsi.model.ids import GroupId, Handles, SnapshotId, VolumeId
from rokcsi.model.mounter import Mounter
from rokcsi.model.pool import Capacity, Pool
from rokcsi.model.provisioner import CapacityRequest, SnapshotFilter, SnapshotRequest, Verification, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import NewSnapshot, Snapshot
from rokcsi.model.volume import Labels, NewVolume, Volume, VolumeSource
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.grouping import GroupCuts
from rokcsi.volumes.mutable import checked_mutable
from rokcsi.volumes.naming import checked_name, is_transient, transient_name
from rokcsi.volumes.sizing import checked_filesystem, copied_size, fresh_size, grown_size
from rokcsi.volumes.verification import Verifier
