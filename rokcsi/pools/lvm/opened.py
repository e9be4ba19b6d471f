"""How a pool is opened: claimed, mended, read, and put together from its parts.

Called once by the pool.

    claim it → await commands of a driver before us → resume what they left suspended → mend →
    read → remove what was begun and never answered
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from rokcsi.model.errors import InvalidRequest, Unavailable
from rokcsi.model.ids import PoolId
from rokcsi.pools.lvm.access import PoolAccess
from rokcsi.pools.lvm.attachments import Attachments
from rokcsi.pools.lvm.attempts import Attempts
from rokcsi.pools.lvm.claim import Claim
from rokcsi.pools.lvm.cutting import Cutting
from rokcsi.pools.lvm.footprints import Footprints
from rokcsi.pools.lvm.identity import give_identity, identity_of
from rokcsi.pools.lvm.inventory import Inventory
from rokcsi.pools.lvm.leftovers import Leftovers
from rokcsi.pools.lvm.mending import Mending
from rokcsi.pools.lvm.reading import PoolReader
from rokcsi.pools.lvm.room import Room
from rokcsi.pools.lvm.volumes import ThinVolumes
from rokcsi.system.command import Runner
from rokcsi.system.device_mapper import DeviceMapper
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.freezing import MountPoints
from rokcsi.system.locks import KeyedLocks
from rokcsi.system.lvm import Lvm, mapped_name
from rokcsi.system.lvm_reports import GroupReport, LogicalVolume
from rokcsi.system.suspending import Suspender
from rokcsi.system.watchdog import Watchdog

declare("lvm.open.activated", "lvm.open.identified", "lvm.reconcile.discarded")


@dataclass(frozen=True, slots=True)
class OpenedPool:
    """The parts of an open pool."""

    id: PoolId
    access: PoolAccess
    inventory: Inventory
    room: Room
    attachments: Attachments
    footprints: Footprints
    volumes: ThinVolumes
    cutting: Cutting
    leftovers: Leftovers
    ending: ExitStack

    def close(self) -> None:
        """Let go of everything; volumes in use stay in use."""
        self.ending.close()


Runners = Callable[[int], Runner]
"""Makes a runner whose programs all have an open file as their standard input."""


def opened_pool(group: str, pool: str, *, points: MountPoints, locks: KeyedLocks, runners: Runners) -> OpenedPool:
    """Open a thin pool; raise PoolTaken, InvalidRequest, Unavailable, NotSupported, Damaged."""
    with ExitStack() as ending:
        claim = Claim(mapped_name(group, pool))
        ending.callback(claim.release)
        mapper = DeviceMapper()
        ending.callback(mapper.close)
        suspender = Suspender(mapper, points, watchdog=Watchdog(held=claim.held))
        ending.callback(suspender.close)
        access = PoolAccess(group, pool, mapper, Lvm(runners(claim.held), group), locks)
        opened = _Opening(access, suspender).opened(ending)
        ending.pop_all()
    return opened


class _Opening:
    """The parts that are needed while a pool is opened."""

    def __init__(self, access: PoolAccess, suspender: Suspender) -> None:
        self._access = access
        self._suspender = suspender
        self._inventory = Inventory()
        self._mending = Mending(access)
        self._reader = PoolReader(access.pool, self._inventory)
        self._footprints = Footprints(access)
        self._attachments = Attachments(access, self._footprints)

    def opened(self, ending: ExitStack) -> OpenedPool:
        """Read the pool and put it together; `ending` is what closing it will do."""
        access, inventory = self._access, self._inventory
        access.resume_all()  # before anything else: somebody may be waiting for it
        identity, report = self._read()
        attempts = Attempts(access, self._reader, self._mending)
        unit = report.group.extent_size
        return OpenedPool(
            identity,
            access,
            inventory,
            Room(access, inventory, report.group),
            self._attachments,
            self._footprints,
            ThinVolumes(access, inventory, self._attachments, self._footprints, attempts, unit),
            Cutting(access, inventory, self._footprints, attempts, self._suspender),
            Leftovers(access, inventory, self._attachments),
            ending.pop_all(),
        )

    def _read(self) -> tuple[PoolId, GroupReport]:
        access = self._access
        with access.commanding(f"open {access.group}/{access.pool}") as lvm:
            report = lvm.report()
            found = _thin_pool(access, report)
            identity = identity_of(found)
            if not found.active:
                lvm.activate_pool(access.pool)
                failpoint("lvm.open.activated")
            report = self._mending.mend(lvm, report)
            if identity is None:
                identity = give_identity(lvm, access.pool)
                failpoint("lvm.open.identified")
            unanswered = self._reader.read(report)
            if unanswered:
                lvm.remove_if_there(unanswered)
                failpoint("lvm.reconcile.discarded")
            for volume in self._inventory.index.volumes():
                self._attachments.refresh(lvm, volume.id, volume.size)
        return identity, report


def _thin_pool(access: PoolAccess, report: GroupReport) -> LogicalVolume:
    found = report.volume(access.pool)
    if found is None:
        raise Unavailable(
            f"the volume group {access.group} has no logical volume {access.pool}; make the pool, or correct its name"
        )
    if found.kind != "thin-pool":
        raise InvalidRequest(f"{access.group}/{access.pool} is no thin pool, but {found.kind}; name a thin pool")
    return found
