"""Opening paths that callers name, without being led astray.

A target path comes from outside. It must lie beneath one of the target roots, and no
component below the root may be a symbolic link: somebody who may write there (a pod that
got hold of its own folder, say) could otherwise point a mount, or an unmount, at any place
of the host. openat2(2) answers that in one step; on kernels without it, or where seccomp
hides it, the path is walked one component at a time.

The system call that follows acts on what was opened, through /proc/self/fd, so that a link
swapped in later redirects nothing. The descriptors are O_PATH and closed at once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, StillInUse, SystemCallFailed

PATH_MAX = 4096
NAME_MAX = 255

_OPENAT2 = 437  # the same number on every architecture that Linux has
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_PRINTABLE_FROM = 0x20
_DELETE = 0x7F
_HOW = struct.pack("=3Q", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder beneath which targets may lie: as it was given, and with its own symbolic links resolved."""

    given: Path
    real: Path


class TargetRoots:
    """The folders beneath which targets may lie; without any, every absolute path may be a target.

    A root itself may be a symbolic link: it is resolved once, here. Paths given out are real paths.
    """

    def __init__(self, roots: Sequence[Path] = ()) -> None:
        relative = [str(root) for root in roots if not root.is_absolute()]
        if relative:
            raise InvalidRequest(f"a target root must be an absolute path: {', '.join(relative)}")
        self._roots = tuple(_Root(root, Path(os.path.realpath(root))) for root in roots or (Path("/"),))

    def checked(self, path: Path | str) -> Path:
        """Give the real path of a target; raise InvalidRequest where its text alone makes it impossible."""
        text = str(path)
        _refuse_bad_text(text)
        found = self._beneath(Path(text))
        if found is None:
            roots = ", ".join(str(root.given) for root in self._roots)
            raise InvalidRequest(f"the path {text!r} is not beneath a target root ({roots}); see --target-root")
        return found[0].real / found[1]

    def known_as(self, path: Path | str) -> Path:
        """Give the real path of a target if it can be one, else the path as it is: for looking it up, not for use."""
        found = self._beneath(Path(path))
        return Path(path) if found is None else found[0].real / found[1]

    @contextmanager
    def opened(self, path: Path) -> Iterator[int | None]:
        """Open what is at a checked path (O_PATH), None when there is nothing; raise InvalidRequest for a symbolic link."""
        root, below = self._split(path)
        try:
            fd = _open_beneath(root, below)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except OSError as failure:
            raise _refused(path, failure) from failure
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def parent(self, path: Path) -> Iterator[int | None]:
        """Open the folder that holds a checked path, None when it is missing; raise InvalidRequest for a symbolic link."""
        with self.opened(path.parent) as fd:
            yield fd

    @contextmanager
    def folder(self, path: Path) -> Iterator[int]:
        """Open an empty folder at a checked path, made when it is missing, with its parents beneath the root.

        Raises InvalidRequest where it holds something, or is not a folder: a mount would hide that.
        """
        with self._made_parent(path) as parent:
            made = _make_folder(parent, path)
        with self._there(path) as fd:
            if not made:
                _refuse_full(fd, path)
            yield fd

    @contextmanager
    def file(self, path: Path) -> Iterator[int]:
        """Open an empty file at a checked path, made when it is missing; raise InvalidRequest for anything else there."""
        with self._made_parent(path) as parent:
            _make_file(parent, path)
        with self._there(path) as fd:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size:
                raise InvalidRequest(f"the target {str(path)!r} is not an empty file; remove what is there")
            yield fd

    def remove(self, path: Path) -> None:
        """Remove the empty folder or empty file at a checked path, never what it holds; nothing happens when it is gone.

        Raises StillInUse where it is not empty.
        """
        with self.parent(path) as parent:
            if parent is not None:
                _remove(parent, path)

    def _beneath(self, path: Path) -> tuple[_Root, Path] | None:
        for root in self._roots:
            for prefix in (root.given, root.real):
                if path.is_relative_to(prefix) and path != prefix:
                    return root, path.relative_to(prefix)
        return None

    def _split(self, path: Path) -> tuple[Path, Path]:
        for root in self._roots:
            if path.is_relative_to(root.real):
                return root.real, path.relative_to(root.real)
        raise InvalidRequest(f"the path {str(path)!r} is not beneath a target root; see --target-root")

    @contextmanager
    def _there(self, path: Path) -> Iterator[int]:
        with self.opened(path) as fd:
            if fd is None:
                raise SystemCallFailed(f"{path} vanished while it was being made ready; try again")
            yield fd

    @contextmanager
    def _made_parent(self, path: Path) -> Iterator[int]:
        with self.parent(path) as fd:
            if fd is not None:
                yield fd
                return
        with self._made_parent(path.parent) as above:
            _make_folder(above, path.parent)
        with self._there(path.parent) as fd:
            yield fd


def _refuse_bad_text(text: str) -> None:
    problem = None
    if not text.startswith("/"):
        problem = "must be absolute"
    elif any(ord(letter) < _PRINTABLE_FROM or ord(letter) == _DELETE for letter in text):
        problem = "must not contain NUL, newline or other control characters"
    elif ".." in text.split("/"):
        problem = "must not contain '..'"
    elif len(os.fsencode(text)) >= PATH_MAX or any(len(os.fsencode(part)) > NAME_MAX for part in text.split("/")):
        problem = f"is too long: {PATH_MAX - 1} bytes at most, {NAME_MAX} in each component"
    if problem is not None:
        raise InvalidRequest(f"the path {text[:256]!r} {problem}")


def _open_beneath(root: Path, below: Path) -> int:
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _openat2(root_fd, os.fsencode(below))
    except OSError as failure:
        if failure.errno not in {errno.ENOSYS, errno.EPERM}:
            raise
        return walk_beneath(root_fd, below)
    finally:
        os.close(root_fd)


def _openat2(folder: int, below: bytes) -> int:
    fd: int = _libc.syscall(_OPENAT2, folder, below, _HOW, len(_HOW))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(below))
    return fd


def walk_beneath(folder: int, below: Path) -> int:
    """Open a path beneath an open folder one component at a time; raise OSError, ELOOP for a symbolic link."""
    here = os.open(".", os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    for part in below.parts:
        try:
            there = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        if stat.S_ISLNK(os.fstat(there).st_mode):
            os.close(there)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(below))
        here = there
    return here


def _refused(path: Path, failure: OSError) -> Exception:
    if failure.errno in {errno.ELOOP, errno.EXDEV}:
        return InvalidRequest(
            f"the path {str(path)!r} goes through a symbolic link, which is refused beneath a target root; "
            "name the real path, or make the link's place a target root of its own (--target-root)"
        )
    return SystemCallFailed(f"cannot open {path}: {failure.strerror}")


def _make_folder(parent: int, path: Path) -> bool:
    try:
        os.mkdir(path.name, 0o750, dir_fd=parent)
    except FileExistsError:
        return False
    except OSError as failure:
        raise _not_made(path, failure) from failure
    return True


def _make_file(parent: int, path: Path) -> None:
    try:
        os.close(os.open(path.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent))
    except FileExistsError:
        return
    except OSError as failure:
        raise _not_made(path, failure) from failure


def _not_made(path: Path, failure: OSError) -> Exception:
    if isinstance(failure, NotADirectoryError):
        return InvalidRequest(f"the target {str(path)!r} lies below a file, {str(path.parent)!r}; remove that file")
    return SystemCallFailed(f"cannot make {path}: {failure.strerror}")


def _refuse_full(fd: int, path: Path) -> None:
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        raise InvalidRequest(f"the target {str(path)!r} is not a folder; remove what is there")
    with os.scandir(f"/proc/self/fd/{fd}") as entries:
        if next(entries, None) is not None:
            raise InvalidRequest(
                f"the target {str(path)!r} is not empty: a mount would hide what it holds; empty it first"
            )


def _remove(parent: int, path: Path) -> None:
    try:
        found = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(path.name, dir_fd=parent)
        elif stat.S_ISREG(found.st_mode) and not found.st_size:
            os.unlink(path.name, dir_fd=parent)
        else:
            raise StillInUse(f"{path} holds something that is not ours; look at it and remove it by hand")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as failure:
        if failure.errno in {errno.ENOTEMPTY, errno.EBUSY}:
            why = "is not empty" if failure.errno == errno.ENOTEMPTY else "is still mounted"
            raise StillInUse(
                f"{path} {why}: nothing was deleted; look at what it holds and remove it by hand"
            ) from failure
        raise SystemCallFailed(f"cannot remove {path}: {failure.strerror}") from failure
