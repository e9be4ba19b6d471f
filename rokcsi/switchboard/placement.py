"""Where a new volume is made: with its source, else in the first place that was asked for.

The first place decides, whether its node is full, or away: trying the next one after a
refusal would make a repeated call begin at the first again, and end with two volumes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import PoolElsewhere, WrongNode
from rokcsi.model.ids import pool_of_snapshot, pool_of_volume
from rokcsi.model.provisioner import VolumeRequest
from rokcsi.switchboard.directory import Directory, Route


def place_for(wanted: VolumeRequest, requirement: csi.TopologyRequirement, directory: Directory) -> Route:
    """Give the node for a new volume.

    Raises SnapshotNotFound, VolumeNotFound for a source that cannot be, WrongNode where the
    places asked for have no node or not the one with the source, and what `of_pool` raises.
    """
    if wanted.from_snapshot is not None:
        return _with_its_source(directory.of_pool(pool_of_snapshot(wanted.from_snapshot)), requirement)
    if wanted.from_volume is not None:
        return _with_its_source(directory.of_pool(pool_of_volume(wanted.from_volume)), requirement)
    for term in [*requirement.preferred, *requirement.requisite] or [csi.Topology()]:
        found = [route for route in directory.at(dict(term.segments)) if _is_allowed(route, requirement)]
        if found:
            return directory.of_pool(_chosen(wanted.name, found).pool)
        refuse_where_a_stranger_may_be(term.segments, directory)
    raise WrongNode(f"there is no node of this driver at {_all_written(requirement)}")


def _with_its_source(route: Route, requirement: csi.TopologyRequirement) -> Route:
    if _is_allowed(route, requirement):
        return route
    raise WrongNode(
        f"the source's data is on node {route.line.name!r}, which was not among those asked for;"
        " a clone is made where its data is"
    )


def _is_allowed(route: Route, requirement: csi.TopologyRequirement) -> bool:
    """Tell whether the requisite places, where there are any, include the node."""
    driver = route.announcement.driver
    return not requirement.requisite or any(driver.reached_from(place.segments) for place in requirement.requisite)


def _chosen(name: str, routes: Sequence[Route]) -> Route:
    """Give one of several nodes, the same for the same name: a repeated call finds what the first one made."""
    return min(routes, key=lambda route: hashlib.sha256(f"{route.pool}\0{name}".encode()).digest())


def refuse_where_a_stranger_may_be(segments: Mapping[str, str], directory: Directory) -> None:
    """Raise PoolElsewhere while a node has not said where it is: it may be there, and a volume made elsewhere be made twice."""
    strangers = directory.strangers()
    if strangers:
        away = "; ".join(f"{line.name}, {line.heard.why_away}" for line in strangers)
        raise PoolElsewhere(f"no node is known at {written(segments)}, and these do not answer: {away}")


def written(segments: Mapping[str, str]) -> str:
    """Give a place in words."""
    return " ".join(f"{key}={value}" for key, value in sorted(segments.items())) or "any place"


def _all_written(requirement: csi.TopologyRequirement) -> str:
    return "; ".join(written(term.segments) for term in [*requirement.preferred, *requirement.requisite]) or "any place"
