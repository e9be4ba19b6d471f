"""The unix socket that the driver serves on: its path, its modes, and who was there before.

gRPC itself unlinks whatever socket it finds at the path, a living driver's too; so this
looks first.

A folder that the driver makes is its owner's alone. One that was there is somebody's, kubelet's
plugin folder say, and keeps its modes: where others could put a socket of theirs into the
place of ours the driver refuses, where they can only look it says so in its log.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

import grpc

from rokcsi.model.errors import InvalidRequest, SocketTaken

_LONGEST = 107  # sun_path of unix(7), without its NUL
_ANSWERS_WITHIN_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A place for a socket; only its owner may talk through it."""

    path: Path

    @classmethod
    def of(cls, endpoint: str) -> UnixSocket:
        """Read `unix:///PATH`, as CSI_ENDPOINT has it; raise InvalidRequest."""
        scheme, colon, rest = endpoint.partition(":")
        path = Path(rest.removeprefix("//")) if colon and scheme == "unix" else Path(endpoint)
        if not path.is_absolute() or not endpoint.isprintable():
            raise InvalidRequest(f"the endpoint {endpoint!r} is not of the form unix:///FOLDER/csi.sock")
        if len(os.fsencode(path)) > _LONGEST:
            raise InvalidRequest(f"the socket's path {path} is longer than {_LONGEST} bytes; choose a shorter one")
        return cls(path)

    @property
    def address(self) -> str:
        """Give what gRPC dials."""
        return f"unix://{self.path}"

    def check(self) -> None:
        """Raise InvalidRequest where no socket can be, or where others could replace it; changes nothing."""
        try:
            _check_folder(self.path.parent)
            if not stat.S_ISSOCK(self.path.lstat().st_mode):
                raise InvalidRequest(f"{self.path} exists and is no socket; choose another endpoint")
        except FileNotFoundError:
            return
        except OSError as error:
            raise InvalidRequest(f"no socket can be made at {self.path}: {error.strerror or error}") from error

    def bind(self, server: grpc.Server) -> None:
        """Let the server listen here; raise SocketTaken where a driver answers, InvalidRequest where nobody can."""
        self.check()
        try:
            self._note_onlookers()
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._clear()
            self._listen(server)
        except OSError as error:
            raise InvalidRequest(f"no socket can be made at {self.path}: {error.strerror or error}") from error

    def remove(self) -> None:
        """Take the socket away where the server has left it."""
        self.path.unlink(missing_ok=True)

    def _listen(self, server: grpc.Server) -> None:
        before = os.umask(0o177)
        try:
            server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise InvalidRequest(f"no socket can be made at {self.path}: {error}") from error
        finally:
            os.umask(before)

    def _note_onlookers(self) -> None:
        mode = stat.S_IMODE(self.path.parent.stat().st_mode) if self.path.parent.exists() else 0o700
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            _log.warning("others may look into the socket's folder %s (mode %o)", self.path.parent, mode)

    def _clear(self) -> None:
        """Remove what a dead driver has left; a live one keeps it."""
        if not os.path.lexists(self.path):
            return
        if self._answers():
            raise SocketTaken(f"another driver serves on {self.path}; stop it, or choose another endpoint")
        self.path.unlink(missing_ok=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(_ANSWERS_WITHIN_SECONDS)
            try:
                caller.connect(str(self.path))
            except ConnectionRefusedError:
                return False
            except TimeoutError:
                return True  # somebody listens, and is busy
            return True


def _check_folder(folder: Path) -> None:
    """Raise InvalidRequest where others may replace what lies in an existing folder."""
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    if shared or found.st_uid not in {0, os.geteuid()}:
        raise InvalidRequest(
            f"others than root may replace the socket in {folder} (mode {stat.S_IMODE(found.st_mode):o}, "
            f"owner {found.st_uid}); choose another folder, or take that right away with chmod go-w"
        )
