"""Thin devices that are to go: removed one by one, and tried again later where the pool refuses.

Called when volumes and snapshots are deleted, when something that was begun is undone, and at the start.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterable

from rokcsi.model.errors import Damaged, PoolFull
from rokcsi.pools.lvm_direct.ledger import Ledger
from rokcsi.system.device_mapper import DeviceMapperRefused
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.thin_pool import ThinPool

declare("lvm-direct.remove.removed", "lvm-direct.undo.removed")
_log = logging.getLogger(__name__)


class Removal:
    """Removes thin devices from a pool; the ledger follows."""

    def __init__(self, pool: ThinPool, ledger: Ledger) -> None:
        self._pool = pool
        self._ledger = ledger
        self._mutex = threading.Lock()

    def finish(self) -> None:
        """Remove what is going; what cannot be removed now is going still, and that is no error."""
        # One after the other: a number that one call has set free must not be removed by another one.
        with self._mutex:
            for device in self._ledger.going():
                if self._removed(device):
                    failpoint("lvm-direct.remove.removed")
                    self._ledger.gone(device)

    def undo(self, devices: Iterable[int]) -> None:
        """Remove devices that never got an entry; what cannot be removed now is removed at the next start."""
        for device in devices:
            if self._removed(device):
                failpoint("lvm-direct.undo.removed")
                self._ledger.give_back([device])

    def _removed(self, device: int) -> bool:
        try:
            self._pool.delete(device)
        except DeviceMapperRefused as refused:
            if refused.code == errno.ENODATA:
                return True
            _log.warning("thin device %d cannot be removed now: %s", device, refused)
        except (PoolFull, Damaged) as refused:
            _log.warning("thin device %d cannot be removed now: %s", device, refused)
        else:
            return True
        return False
