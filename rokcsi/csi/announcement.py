"""What a node tells of itself in GetPluginInfo's manifest: which pool it serves, as which node, at which place.

Whoever routes calls (the switchboard) asks for it once on every new address. A driver
that is away has announced nothing, and nobody else can speak for its pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import InvalidRequest, Unavailable
from rokcsi.model.ids import PoolId

POOL, NODE, TOPOLOGY_KEY = "rokcsi.dev/pool", "rokcsi.dev/node", "rokcsi.dev/topology-key"


class NotAnnounced(Unavailable):
    """Somebody answers at the address, and it is no node of this driver."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The pool that is served, and who serves it."""

    pool: PoolId
    driver: DriverIdentity


def manifest_of(driver: DriverIdentity, pool: PoolId) -> Mapping[str, str]:
    """Give what a node announces."""
    return {POOL: pool, NODE: driver.node_id, TOPOLOGY_KEY: driver.key}


def read_announcement(info: csi.GetPluginInfoResponse, name: str) -> Announcement:
    """Read what a node announces; raise NotAnnounced unless it is one of the driver of this name."""
    if info.name != name:
        raise NotAnnounced(f"the driver {info.name[:64]!r} answers there, not {name}")
    try:
        pool = PoolId(info.manifest.get(POOL, ""))
        key = info.manifest.get(TOPOLOGY_KEY, "")
        return Announcement(pool, DriverIdentity(info.vendor_version, info.manifest.get(NODE, ""), name, key))
    except (ValueError, InvalidRequest) as error:
        raise NotAnnounced(f"a driver that announces no pool answers there: {error}") from error
