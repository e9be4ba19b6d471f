"""How a line is opened: TLS with our certificate, and the node's has to bear the nodes' name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from rokcsi.csi.tls import Certificates
from rokcsi.model.roster import NodeAddress
from rokcsi.switchboard.line import Line

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # a list of all volumes has no limit in CSI
    # A node that vanished without a word is noticed within 15 seconds while a call waits for it. The
    # second option is what gRPC goes by where it is shorter than a minute; without the third, it sends
    # two pings and then one a minute.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # also how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),  # nodes are neighbours
    ("grpc.use_local_subchannel_pool", 1),  # an address that left and came back is dialled anew
)


@dataclass(frozen=True, slots=True)
class Dialling:
    """Opens lines to nodes of one driver; `node_identity` is the DNS name in their certificates."""

    certificates: Certificates
    node_identity: str
    driver: str
    places: int

    def __call__(self, where: NodeAddress, heard: Callable[[], None]) -> Line:
        """Open the line; nothing is dialled before the first call."""
        options = (*_OPTIONS, ("grpc.ssl_target_name_override", self.node_identity))
        channel = grpc.secure_channel(where.address, self.certificates.for_callers(), options=options)
        return Line(where, channel, self.driver, self.places, heard)
