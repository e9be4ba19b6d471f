"""What an LVM command that was killed, or failed half way, leaves behind, and how it is put right.

Called when the pool is opened and when a command has failed. LVM writes a thin volume into
the group's metadata together with a message for the kernel's pool, sends the message, and
then takes it off; the pool's transaction number tells how far it came. Whatever LVM command
comes next sends what was not sent. But a volume is never to be had from a message sent so
late: its origin has been written to since. And one that was killed between making the thin
device and counting the transaction has every later command fail, since the device "exists".
So the device is deleted, which puts the kernel back to where LVM believes it is, and then
the logical volume is removed.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence

from rokcsi.model.errors import Damaged, RokcsiError
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.names import id_in
from rokcsi.pools.lvm.records import is_ours
from rokcsi.system.device_mapper import DeviceMapperRefused
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.lvm import Lvm
from rokcsi.system.lvm_reports import GroupReport, LogicalVolume
from rokcsi.system.thin_pool import ThinPool

declare("lvm.mend.deleted", "lvm.mend.removed")
_log = logging.getLogger(__name__)


class Mending:
    """Puts a pool right; the caller has LVM's turn."""

    def __init__(self, access: PoolAccess) -> None:
        self._access = access

    def mend(self, lvm: Lvm, report: GroupReport) -> GroupReport:
        """Take away what LVM has written down and not made; give the report as it is then. Raises Damaged."""
        pending = self._pending(report)
        if not pending:
            return report
        for volume in pending:
            _log.warning("the command that made %s was killed half way: it is removed", volume.name)
            self._delete_device(volume)
        failpoint("lvm.mend.deleted")
        lvm.remove([volume.name for volume in pending])
        failpoint("lvm.mend.removed")
        return lvm.report()

    def undo(self, lvm: Lvm, names: Sequence[str]) -> None:
        """Take away what is there of these after the command that was to make them has failed; the next start does what cannot be done now."""
        if not names:
            return
        try:
            report = self.mend(lvm, lvm.report())
            left = [name for name in names if report.volume(name) is not None]
            if left:
                lvm.remove(left)
        except RokcsiError as error:
            _log.warning("%s cannot be taken away now: %s", ", ".join(names), error)

    def _pending(self, report: GroupReport) -> Sequence[LogicalVolume]:
        pool = report.volume(self._access.pool)
        kernel = self._access.kernel_pool().status()
        if kernel.failed or pool is None or pool.transaction is None or kernel.transaction >= pool.transaction:
            return ()
        members = [volume for volume in report.volumes if volume.pool == self._access.pool]
        pending = [it for it in members if it.transaction is not None and it.transaction >= kernel.transaction]
        foreign = [volume.name for volume in pending if not (is_ours(volume) and id_in(volume.name))]
        if foreign:
            raise Damaged(
                f"an LVM command that made {', '.join(foreign)} in the thin pool {self._access.pool} was killed half way; "
                "end it with LVM (lvremove, or deactivate the pool and activate it again), then start the driver"
            )
        return pending

    def _delete_device(self, volume: LogicalVolume) -> None:
        if volume.thin_id is None:
            return
        delete_if_there(self._access.kernel_pool(), volume.thin_id)


def delete_if_there(pool: ThinPool, id: int) -> None:
    """Delete a thin device that may not be there."""
    try:
        pool.delete(id)
    except DeviceMapperRefused as refused:
        if refused.code != errno.ENODATA:
            raise
