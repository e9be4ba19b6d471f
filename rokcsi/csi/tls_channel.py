"""How one process of a cluster dials another: TLS with our certificate, and the other's has to bear the name we expect."""

from __future__ import annotations

import grpc

from rokcsi.csi.tls import Certificates

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # a list of all volumes has no limit in CSI
    # A machine that vanished without a word is noticed within 15 seconds while a call waits for it. The
    # second option is what gRPC goes by where it is shorter than a minute; without the third, it sends
    # two pings and then one a minute.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # also how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),  # the cluster's processes are neighbours
    ("grpc.use_local_subchannel_pool", 1),  # an address that left and came back is dialled anew
)


def tls_channel(address: str, certificates: Certificates, identity: str) -> grpc.Channel:
    """Give a channel to whoever shows a certificate for `identity` at HOST:PORT; nothing is dialled before the first call."""
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", identity))
    return grpc.secure_channel(address, certificates.for_callers(), options=options)
