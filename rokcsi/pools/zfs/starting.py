"""What a ZFS pool does when it is opened: read, thaw, and finish what a crash has left half done.

Called once by the pool.
"""

from __future__ import annotations

import logging

from rokcsi.model.errors import Damaged, PoolFull
from rokcsi.pools.zfs.attachments import Attachments
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.reading import Findings, Reader
from rokcsi.pools.zfs.records import OPENED, OWN
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.freezing import Freezer, thaw_all
from rokcsi.system.unseen_mounts import thaw_unseen
from rokcsi.system.zfs_programs import Note
from rokcsi.system.zvols import number_of

_log = logging.getLogger(__name__)

declare("zfs.start.thawed", "zfs.start.cleared")


def start(parts: Parts, last_opened: int, burial: Burial, freezer: Freezer) -> None:
    """Fill the index and the places, thaw what was left frozen, and clear what nobody was ever told of."""
    dataset = parts.places.names.path
    rows = parts.store.zfs.rows_below(dataset, OWN)
    findings = Reader(parts.index, parts.places).take(rows, last_opened)
    newest = max((row.made_in for row in rows), default=0)
    if newest > last_opened:
        parts.store.note(Note(dataset, OPENED, str(newest)))
    _thaw(parts.places, parts.attachments, freezer)
    failpoint("zfs.start.thawed")
    _discard([*findings.unfinished, *parts.places.needless_graves()], burial, parts.places)
    failpoint("zfs.start.cleared")
    _settle_reservations(parts, findings, burial)


def _thaw(places: Places, attachments: Attachments, freezer: Freezer) -> None:
    for dataset, device in attachments.claimed().items():
        number = number_of(device)
        if places.names.volume_id(dataset) is None or number is None:
            continue
        point = freezer.point_of(number)
        if point is not None:
            thaw_all([point])
        elif thaw_unseen(device):
            # Mounted in a mount namespace that we do not see: that of a driver before us, or of its pods.
            _log.warning("%s was left frozen in another mount namespace, and is thawed now", device)


def _settle_reservations(parts: Parts, findings: Findings, burial: Burial) -> None:
    """Let graves give back what they had set aside, and volumes have it where they are to."""
    for grave in findings.reserving:
        burial.release(grave)
    for dataset in findings.unreserved if parts.reserve else ():
        try:
            with parts.store.changing("set a volume's size aside", [dataset]):
                parts.store.zfs.set_properties(dataset, {"refreservation": "auto"})
        except PoolFull as error:
            _log.warning("%s has its size not set aside: %s", dataset, error)


def _discard(names: list[str], burial: Burial, places: Places) -> None:
    """Clear what can be cleared; a pool that is full or that somebody looks at is opened nevertheless."""
    try:
        for name in burial.discard(names):
            _log.warning("%s was never finished or is no longer needed, and cannot be removed now", name)
            places.put_stranger(name)
    except (PoolFull, Damaged) as error:
        _log.warning("what a crash has left could not be cleared: %s", error)
