"""Authorities and certificates of a test, made by the openssl program (P-256, valid for a day)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pytest

from rokcsi.csi.tls import Certificates


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The three files that a process is given."""

    certificate: Path
    key: Path
    authorities: Path

    def read(self) -> Certificates:
        return Certificates.read(self.certificate, self.key, self.authorities)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            pytest.fail("the program openssl is missing: make setup installs it")
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.name, self.certificate, self.key = name, self.folder / "ca.crt", self.folder / "ca.key"
        self._sign_itself(*self._new_key(self.key))

    def renewed(self) -> Authority:
        """Give the same authority with a new certificate for its old key, in a folder of its own."""
        again = copy(self)
        again.folder = Path(tempfile.mkdtemp(prefix="renewed-", dir=self.folder))
        again.certificate = again.folder / "ca.crt"
        again._sign_itself("-key", str(again.key))
        return again

    def _sign_itself(self, *key: str) -> None:
        self._openssl(
            *("req", "-x509", *key, "-subj", f"/CN={self.name}", "-days", "1"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-out", str(self.certificate)),
        )

    def issue(self, *names: str, kind: str = "DNS", days: int = 1) -> CertificateFiles:
        """Give a certificate for some names (DNS, or URI as `kind` says), the same each time; the common name is the first.

        With `days` below 0 it has expired.
        """
        stem = f"{kind}-{'-'.join(names)}{'-expired' * (days < 0)}".replace("/", "_")
        key, request, made = (self.folder / f"{stem}.{suffix}" for suffix in ("key", "csr", "crt"))
        if made.exists():
            return CertificateFiles(made, key, self.certificate)
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text("subjectAltName=" + ",".join(f"{kind}:{name}" for name in names) + "\n")
        self._openssl("req", *self._new_key(key), "-subj", f"/CN={names[0][:64]}", "-out", str(request))
        self._openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.key)),
            *("-CAcreateserial", "-days", str(days), "-extfile", str(extensions), "-out", str(made)),
        )
        return CertificateFiles(made, key, self.certificate)

    def _new_key(self, key: Path) -> tuple[str, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key))

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
