"""The unix socket that the driver serves on: its path, its modes, and who was there before.

gRPC itself unlinks whatever socket it finds at the path, a living driver's too; so this
looks first.

A folder that the driver makes is its owner's alone. One that was there is somebody's, kubelet's
plugin folder or a pod's emptyDir say, and keeps its modes; where others may look into it,
or put a socket of theirs into the place of ours, the log says so.
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
        """Raise InvalidRequest where no socket can be; changes nothing."""
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
            self._note_others()
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

    def _note_others(self) -> None:
        folder = self.path.parent
        if not folder.exists():
            return
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if _others_may_replace(found):
            _log.warning(
                "others may replace the socket in its folder %s (mode %o, owner %d)", folder, mode, found.st_uid
            )
        elif mode & (stat.S_IRWXG | stat.S_IRWXO):
            _log.warning("others may look into the socket's folder %s (mode %o)", folder, mode)

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
    """Raise NotADirectoryError where something else is in the folder's place."""
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _others_may_replace(folder: os.stat_result) -> bool:
    shared = folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX
    return bool(shared) or folder.st_uid not in {0, os.geteuid()}
