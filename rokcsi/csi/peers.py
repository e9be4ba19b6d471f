"""Who may call over the network: known by the DNS name in its certificate; a node lets in the switchboard, for its pool.

TLS has checked the certificate's authority before; that alone would let every node call
every other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from rokcsi.model.errors import PeerNotAllowed, PoolElsewhere
from rokcsi.model.ids import PoolId

POOL = "rokcsi-pool"  # the metadata by which the caller says which pool it believes to be here
_DNS_NAMES = "peer_dns"


class Bearer:
    """Lets in callers whose certificate bears one of these DNS names."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, context: grpc.ServicerContext) -> None:
        """Raise PeerNotAllowed."""
        shown: Mapping[str, Any] = context.auth_context()  # the stubs say bytes; it is a sequence of them
        names = [name.decode(errors="replace") for name in shown.get(_DNS_NAMES, ())]
        if not set(names).intersection(self._names):
            raise PeerNotAllowed(
                f"the caller's certificate is for {', '.join(names) or 'no DNS name'}, not {' or '.join(self._names)}"
            )


class SwitchboardOnly:
    """Lets in callers whose certificate bears `name`, and only while they mean `pool`.

    An address can pass to another machine between two calls; a delete that went astray
    there would be answered with OK, as that of an unknown volume.
    """

    def __init__(self, name: str, pool: PoolId) -> None:
        self._bearer = Bearer(name)
        self._pool = pool

    def __call__(self, context: grpc.ServicerContext) -> None:
        """Raise PeerNotAllowed, PoolElsewhere."""
        self._bearer(context)
        meant = dict(context.invocation_metadata()).get(POOL, self._pool)
        if meant != self._pool:
            raise PoolElsewhere(f"the pool {meant!s:.64} is not served here; here is {self._pool}")
