"""Whose a thin pool is, and the making of ours: the journal on thin device 0, and our number as the pool's transaction.

Called once, when the pool is opened. LVM counts the changes of its own thin volumes in the
pool's transaction number: 0 is a pool without any, and one that has our number LVM itself
refuses to put volumes into. The number is set last: before that nothing is in the pool.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from rokcsi.model.errors import Damaged, InvalidRequest, PoolTaken, SystemCallFailed
from rokcsi.model.ids import PoolId
from rokcsi.pools.lvm_direct.devices import Devices
from rokcsi.pools.lvm_direct.journal import Journal
from rokcsi.pools.lvm_direct.journal_head import COPIES, DEVICE_SIZE, HEADS, newest_head
from rokcsi.system.block_devices import node_of_number
from rokcsi.system.direct_device import DirectDevice, user_of
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.thin_metadata import ThinDevice, thin_devices
from rokcsi.system.thin_pool import ThinPool

OURS = int.from_bytes(b"rokcsi")
_UNUSED = 0
_JOURNAL = 0

declare("lvm-direct.found.created", "lvm-direct.found.written")


def journal_of(pool: ThinPool, devices: Devices, has_volumes: Callable[[], bool]) -> tuple[DirectDevice, Journal]:
    """Open the journal of a pool that is ours, or make one in a pool that is nobody's.

    `has_volumes` asks LVM whether it keeps thin volumes in the pool. Raises InvalidRequest for
    a pool that is somebody else's, PoolTaken, PoolFull, Damaged, SystemCallFailed.
    """
    _refuse_unfit(pool)
    transaction = pool.status().transaction
    if transaction not in {_UNUSED, OURS}:
        raise InvalidRequest(
            f"LVM or another program keeps volumes in the thin pool {pool.name} (transaction {transaction}); serve it "
            "with the kind lvm, or make a thin pool for us alone"
        )
    is_new = transaction == _UNUSED and not _begun(pool, has_volumes)
    if is_new:
        pool.create_thin(_JOURNAL)
        failpoint("lvm-direct.found.created")
    device = _alone(devices.journal(DEVICE_SIZE), pool.name)
    try:
        if transaction == _UNUSED:
            _found(pool, device, is_new=is_new)
        return device, Journal.open(device)
    except BaseException:
        device.close()
        raise


def devices_in(pool: ThinPool) -> list[ThinDevice]:
    """Give all thin devices that the pool's metadata has now, the journal's too."""
    metadata = node_of_number(pool.table().metadata_device)
    with pool.metadata_reserved() as root:
        return thin_devices(metadata, root)


def _refuse_unfit(pool: ThinPool) -> None:
    if not pool.table().zeroes_new_blocks:
        raise InvalidRequest(
            f"the thin pool {pool.name} does not zero new blocks, so a new volume would show what others have deleted; "
            "change that: lvchange --zero y"
        )
    status = pool.status()
    if not status.writable:
        raise Damaged(
            f"the thin pool {pool.name} takes no changes ({status.mode}{', needs a check' * status.needs_check}); "
            "deactivate it and repair its metadata: lvconvert --repair"
        )


def _begun(pool: ThinPool, has_volumes: Callable[[], bool]) -> bool:
    """Tell whether we have begun to make this pool ours before; raise InvalidRequest when somebody else has."""
    ids = {device.id for device in devices_in(pool)}
    if ids - {_JOURNAL} or has_volumes():
        raise InvalidRequest(
            f"the thin pool {pool.name} holds volumes that are not ours; make a thin pool for us alone, or serve it "
            "with the kind lvm"
        )
    return _JOURNAL in ids


def _found(pool: ThinPool, device: DirectDevice, *, is_new: bool) -> None:
    heads = device.read(COPIES[0], HEADS)
    if newest_head(heads) is None:
        if not is_new and any(heads):
            raise InvalidRequest(f"thin device 0 of {pool.name} holds something that is not ours; make a new thin pool")
        Journal.create(device, PoolId.fresh())
        failpoint("lvm-direct.found.written")
    pool.set_transaction(_UNUSED, OURS)


def _alone(path: Path, pool: str) -> DirectDevice:
    try:
        return DirectDevice(path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            pid = user_of(path)
            holder = "another process" if pid is None else f"process {pid}"
            raise PoolTaken(f"the thin pool {pool} is served by {holder} already; stop that one first") from error
        raise SystemCallFailed(f"the pool's journal on {path} cannot be opened: {error.strerror}") from error
