"""CSI 1.12 over gRPC: the door through which kubelet, the sidecars and our own cluster come in.

A method translates (`requests`), asks (`model.provisioner`, `model.node`), and translates
back (`responses`). `server` puts the services on a unix socket; `wiring/` composes it.
"""

import os

# Before anybody imports grpc: the driver never forks, and grpc's fork support costs every
# call a lock and its own threads a restart (doc/fork_support.md of grpc).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
