"""Who this driver is and where it runs: what every CSI service has to know about itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rokcsi.model.errors import InvalidRequest

DRIVER_NAME = "rokcsi.dev"
_NAME = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_SEGMENT = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_NODE_ID_BYTES = 192  # Kubernetes' limit in CSINode; CSI allows 256


@dataclass(frozen=True, slots=True)
class DriverIdentity:
    """The driver as callers see it.

    `node_id` is this node's name for CSI; `topology_key` is the label by which Kubernetes
    knows from where a volume can be reached (empty: `topology.NAME/node`);
    `max_volumes_per_node` 0 leaves the limit to the caller. Raises InvalidRequest.
    """

    version: str
    node_id: str
    name: str = DRIVER_NAME
    topology_key: str = ""
    max_volumes_per_node: int = 0

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise InvalidRequest(f"the driver's name {self.name!r} is not a domain name of at most 63 characters")
        if not self.node_id.isprintable() or not 0 < len(self.node_id.encode()) <= _NODE_ID_BYTES:
            raise InvalidRequest(f"the node id {self.node_id!r} is not 1 to {_NODE_ID_BYTES} printable bytes")
        if _KEY.fullmatch(self.key) is None:
            raise InvalidRequest(f"the topology key {self.key!r} is not a label's name, as topology.example.com/node")
        if self.max_volumes_per_node < 0:
            raise InvalidRequest("the number of volumes per node cannot be negative; 0 means not limited")

    @property
    def key(self) -> str:
        """Give the topology key, derived from the name where none was set."""
        return self.topology_key or f"topology.{self.name.lower()}/node"

    @property
    def segments(self) -> Mapping[str, str]:
        """Give the place of this node's volumes; a node id that cannot be a label's value is hashed."""
        if _SEGMENT.fullmatch(self.node_id):
            return {self.key: self.node_id}
        return {self.key: hashlib.sha256(self.node_id.encode()).hexdigest()[:32]}

    def reached_from(self, segments: Mapping[str, str]) -> bool:
        """Tell whether a place, as the caller names it, includes this node; keys compare without their case."""
        own = {key.lower(): value for key, value in self.segments.items()}
        return all(own.get(key.lower()) == value for key, value in segments.items())
