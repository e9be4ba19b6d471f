"""Mutual TLS between the switchboard and the nodes: both sides show a certificate of the same authority.

gRPC itself speaks TLS 1.2 and 1.3 only. Files are read once, when the server or the line is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from rokcsi.model.errors import InvalidRequest

_NOT_PEM = "is no PEM file with a"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Our certificate with its chain, its key, and the authorities that the other side's must come from; all PEM."""

    certificate: bytes
    key: bytes
    authorities: bytes

    @classmethod
    def read(cls, certificate: Path, key: Path, authorities: Path) -> Certificates:
        """Read the three files; raise InvalidRequest that names the one that is missing, or is something else."""
        return cls(
            _pem(certificate, b"CERTIFICATE", "certificate"),
            _pem(key, b"PRIVATE KEY", "private key"),
            _pem(authorities, b"CERTIFICATE", "certificate"),
        )

    def for_servers(self) -> grpc.ServerCredentials:
        """Give what a server needs that lets in only callers with a certificate of our authorities."""
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)], root_certificates=self.authorities, require_client_auth=True
        )

    def for_callers(self) -> grpc.ChannelCredentials:
        """Give what a caller needs that shows its own certificate and asks for the server's."""
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.certificate)


def _pem(path: Path, mark: bytes, what: str) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"the {what} {path} cannot be read: {error.strerror}") from error
    if b"-----BEGIN " not in text or mark + b"-----" not in text:
        raise InvalidRequest(f"{path} {_NOT_PEM} {what} in it")
    return text
