"""How a line is opened: TLS with our certificate, and the node's has to bear the nodes' name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_channel import tls_channel
from rokcsi.model.roster import NodeAddress
from rokcsi.switchboard.line import Line


@dataclass(frozen=True, slots=True)
class Dialling:
    """Opens lines to nodes of one driver; `node_identity` is the DNS name in their certificates."""

    certificates: Certificates
    node_identity: str
    driver: str
    places: int

    def __call__(self, where: NodeAddress, heard: Callable[[], None]) -> Line:
        """Open the line; nothing is dialled before the first call."""
        channel = tls_channel(where.address, self.certificates, self.node_identity)
        return Line(where, channel, self.driver, self.places, heard)
