"""A TCP port on which CSI is served with mutual TLS."""

from __future__ import annotations

import grpc

from rokcsi.csi.tls import Certificates
from rokcsi.model.errors import InvalidRequest, SocketTaken


class TlsPort:
    """A port at HOST:PORT; port 0 takes a free one, which `address` tells once a server listens."""

    def __init__(self, address: str, certificates: Certificates) -> None:
        self._address = address
        self._certificates = certificates

    @property
    def address(self) -> str:
        """Give HOST:PORT."""
        return self._address

    def bind(self, server: grpc.Server) -> None:
        """Let the server listen here; raise SocketTaken where the port cannot be had, InvalidRequest for bad files."""
        credentials = self._certificates.for_servers()
        try:
            port = server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise SocketTaken(f"nobody can listen on {self._address}: {error}; choose another --listen") from error
        if not port:
            raise InvalidRequest(f"nobody can listen on {self._address} with this certificate and key")
        self._address = f"{self._address.rpartition(':')[0]}:{port}"

    def remove(self) -> None:
        """Do nothing: a port goes with its server."""
