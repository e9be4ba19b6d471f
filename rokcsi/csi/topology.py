"""Where a volume may live, as callers ask for it: only here, or not here."""

from __future__ import annotations

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import WrongNode


def check_reachable(requirement: csi.TopologyRequirement, driver: DriverIdentity) -> None:
    """Raise WrongNode when the volume must be reachable from other nodes only; a preference never does."""
    if requirement.requisite and not any(driver.reached_from(place.segments) for place in requirement.requisite):
        raise WrongNode(
            f"this pool's volumes are reached from node {driver.node_id!r} only, which was not among those asked for"
        )


def is_here(place: csi.Topology, driver: DriverIdentity) -> bool:
    """Tell whether a place, the whole cluster where it names none, includes this node."""
    return driver.reached_from(place.segments)
