"""A thin pool of the kernel's (dm-thin): what it says of itself, and the messages that make and remove thin devices.

Called by the pools on thin volumes. A pool answers a message when the change is in its
metadata and that is committed; should the commit fail the pool stops being writable, and
its status says so. See the kernel's Documentation/admin-guide/device-mapper/thin-provisioning.rst.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rokcsi.model.errors import Damaged, PoolFull
from rokcsi.model.sizes import Bytes
from rokcsi.system.device_mapper import DeviceMapper, DeviceMapperRefused
from rokcsi.system.dm_ioctl import Target

SECTOR = 512
METADATA_BLOCK = 4096
HIGHEST_ID = (1 << 24) - 1
_KIND = "thin-pool"
_STATUS_FIELDS = 5
_WRITABLE, _OUT_OF_DATA = "rw", "out_of_data_space"


@dataclass(frozen=True, slots=True)
class ThinPoolTable:
    """What a pool was set up as: the numbers of its devices as in `st_rdev`, and how large its blocks are."""

    metadata_device: str
    data_device: str
    block: Bytes
    zeroes_new_blocks: bool
    passes_discards: bool
    fails_when_full: bool


@dataclass(frozen=True, slots=True)
class ThinPoolStatus:
    """What a pool says of itself now; blocks of metadata have 4096 bytes, those of data are the table's.

    `held_root` is where a reserved snapshot of the metadata lies, None without one. `failed`:
    the pool gave up, and nothing else of this is known.
    """

    transaction: int
    metadata_used: int
    metadata_total: int
    data_used: int
    data_total: int
    held_root: int | None
    mode: str
    needs_check: bool
    failed: bool = False

    @property
    def writable(self) -> bool:
        """Whether metadata may change; data may have run out all the same."""
        return not self.failed and not self.needs_check and self.mode in {_WRITABLE, _OUT_OF_DATA}

    @property
    def out_of_data(self) -> bool:
        """Whether no block of data is left for writers."""
        return self.mode == _OUT_OF_DATA


class ThinPool:
    """One pool, by the name of its device; every method raises DeviceMapperRefused besides what it names."""

    def __init__(self, mapper: DeviceMapper, name: str) -> None:
        self._mapper = mapper
        self.name = name

    def table(self) -> ThinPoolTable:
        """Tell how the pool was set up; raise Damaged when the device is no thin pool."""
        return parsed_table(self._only(self._mapper.table(self.name)))

    def status(self) -> ThinPoolStatus:
        """Tell how the pool is now, as of its last commit; raise Damaged when the device is no thin pool."""
        return parsed_status(self._only(self._mapper.status(self.name)))

    def create_thin(self, id: int) -> None:
        """Make an empty thin device; EEXIST when there is one of this id. Raises PoolFull, Damaged."""
        self._tell(f"create_thin {id}")

    def create_snap(self, id: int, origin: int) -> None:
        """Make a thin device that begins as another one, which must be suspended if it is active. Raises PoolFull, Damaged."""
        self._tell(f"create_snap {id} {origin}")

    def delete(self, id: int) -> None:
        """Remove a thin device that is not active; ENODATA when there is none of this id. Raises PoolFull, Damaged."""
        self._tell(f"delete {id}")

    def set_transaction(self, old: int, new: int) -> None:
        """Change the number that tells whose pool it is; EINVAL when it is another one than `old`."""
        self._tell(f"set_transaction_id {old} {new}")

    @contextmanager
    def metadata_reserved(self) -> Iterator[int]:
        """Keep the metadata of this moment readable for the length of the block; give where it begins."""
        if self.status().held_root is not None:
            # One who held it was killed: only one may hold it at a time, and that is we.
            self._tell("release_metadata_snap")
        self._tell("reserve_metadata_snap")
        try:
            held = self.status().held_root
            if held is None:
                raise Damaged(f"the thin pool {self.name} reserved its metadata and does not say where")
            yield held
        finally:
            self._tell("release_metadata_snap")

    def _only(self, targets: list[Target]) -> str:
        if len(targets) != 1 or targets[0].kind != _KIND:
            kinds = ", ".join(target.kind for target in targets) or "nothing"
            raise Damaged(f"the device {self.name} is no thin pool, but {kinds}")
        return targets[0].words

    def _tell(self, text: str) -> None:
        try:
            self._mapper.message(self.name, text)
        except DeviceMapperRefused as error:
            if error.code == errno.ENOSPC:
                raise PoolFull(
                    f"the metadata of the thin pool {self.name} is full; enlarge it: lvextend --poolmetadatasize"
                ) from error
            if error.code == errno.EOPNOTSUPP:
                raise Damaged(self._refusing()) from error
            raise

    def _refusing(self) -> str:
        status = self.status()
        if status.needs_check or status.failed:
            return (
                f"the thin pool {self.name} has failed and takes no changes; deactivate it and repair its metadata: "
                "lvconvert --repair"
            )
        return (
            f"the thin pool {self.name} takes no changes now ({status.mode}); enlarge its metadata: "
            "lvextend --poolmetadatasize"
        )


def parsed_table(words: str) -> ThinPoolTable:
    """Read a thin pool's table: metadata device, data device, block in sectors, low water mark, number of features, features."""
    metadata, data, block, _, _, *features = words.split()
    return ThinPoolTable(
        metadata,
        data,
        Bytes(int(block) * SECTOR),
        zeroes_new_blocks="skip_block_zeroing" not in features,
        passes_discards="ignore_discard" not in features and "no_discard_passdown" not in features,
        fails_when_full="error_if_no_space" in features,
    )


def parsed_status(words: str) -> ThinPoolStatus:
    """Read a thin pool's status: transaction, metadata used/total, data used/total, held root, mode and more."""
    fields = words.split()
    if len(fields) < _STATUS_FIELDS:
        return ThinPoolStatus(0, 0, 0, 0, 0, None, words.strip(), needs_check=False, failed=True)
    metadata_used, _, metadata_total = fields[1].partition("/")
    data_used, _, data_total = fields[2].partition("/")
    return ThinPoolStatus(
        int(fields[0]),
        int(metadata_used),
        int(metadata_total),
        int(data_used),
        int(data_total),
        None if fields[3] == "-" else int(fields[3]),
        fields[4],
        needs_check="needs_check" in fields[5:],
    )
