"""What is done when the pool is opened: writers let go, records and thin devices brought to agreement.

Called once by the pool. A device without an entry was never promised to anybody, if its
number is in the lease: it is removed. One outside it is kept, and shown by `rokcsi doctor`. An entry whose device is
missing is set aside: no crash leaves that.
"""

from __future__ import annotations

import logging

from rokcsi.model.errors import StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.pools.lvm_direct.devices import Devices, name_of
from rokcsi.pools.lvm_direct.founding import devices_in
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.pools.lvm_direct.removal import Removal
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.suspending import resume_left_suspended
from rokcsi.system.thin_pool import ThinPool

_log = logging.getLogger(__name__)


def resume_all(mapper: DeviceMapper, devices: Devices) -> None:
    """Let those writers go on whom a driver before us has left suspended."""
    for name in resume_left_suspended(mapper, [device.name for device in devices.all()]):
        _log.warning("%s was left suspended, and is resumed now", name)


def agree(id: PoolId, pool: ThinPool, devices: Devices, ledger: Ledger, removal: Removal) -> None:
    """Finish or undo what a crash has left half done; raise Damaged, SystemCallFailed."""
    _remove_unknown(id, devices, ledger)
    present = {device.id for device in devices_in(pool)}
    removal.finish()
    if ledger.complete:
        recorded = {*ledger.devices().values(), *ledger.going()}
        orphans = (present & set(ledger.lease())) - recorded
        removal.undo(sorted(orphans))
    else:
        _log.warning("the journal of %s has lost a part, so no thin device is removed for having no record", pool.name)
    ledger.meet({device.id for device in devices_in(pool)})
    for volume in ledger.index.volumes():
        devices.show_size(id, volume.id, ledger.device_of(volume.id), volume.size)


def _remove_unknown(id: PoolId, devices: Devices, ledger: Ledger) -> None:
    """Take away block devices of volumes that are gone, and those that were made to look at something."""
    known = {name_of(id, volume.id) for volume in ledger.index.volumes()}
    for device in devices.all():
        if device.name not in known and not devices.is_journal(device.name):
            try:
                devices.remove(device.name)
            except StillInUse:
                _log.warning("%s is held open, and belongs to no volume", device.name)
