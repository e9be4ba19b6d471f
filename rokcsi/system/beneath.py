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
import re
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, StillInUse, SystemCallFailed

PATH_MAX = 4096
NAME_MAX = 255

_OPENAT2 = 437  # the same number on every architecture that Linux has
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_AT_FDCWD = -100
_SURELY_SHORT = NAME_MAX // 4  # a letter has at most four bytes
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOW = struct.pack("=3Q", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder beneath which targets may lie: as it was given, and as it really is. Both end with a slash."""

    given: str
    real: str


class TargetRoots:
    """The folders beneath which targets may lie; without any, every absolute path may be a target.

    A root itself may be a symbolic link: it is resolved once, here. Paths given out are real
    paths. Inside, paths are plain text: all this is on the way to every pod, and a `Path`
    costs more than the system call it is for.
    """

    def __init__(self, roots: Sequence[Path] = ()) -> None:
        relative = [str(root) for root in roots if not root.is_absolute()]
        if relative:
            raise InvalidRequest(f"a target root must be an absolute path: {', '.join(relative)}")
        self._roots = tuple(
            _Root(_slashed(str(root)), _slashed(os.path.realpath(root))) for root in roots or (Path("/"),)
        )

    def checked(self, path: Path | str) -> Path:
        """Give the real path of a target; raise InvalidRequest where its text alone makes it impossible."""
        _refuse_bad_text(str(path))
        found = self._real(path if isinstance(path, Path) else Path(path))
        if found is None:
            roots = ", ".join(root.given for root in self._roots)
            raise InvalidRequest(f"the path {str(path)!r} is not beneath a target root ({roots}); see --target-root")
        return found

    def known_as(self, path: Path | str) -> Path:
        """Give the real path of a target if it can be one, else the path as it is: for looking it up, not for use."""
        return self._real(Path(path)) or Path(path)

    @contextmanager
    def opened(self, path: Path) -> Iterator[int | None]:
        """Open what is at a checked path (O_PATH), None when there is nothing; raise InvalidRequest for a symbolic link."""
        fd = self._open(str(path))
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    @contextmanager
    def parent(self, path: Path) -> Iterator[int | None]:
        """Open the folder that holds a checked path, None when it is missing; raise InvalidRequest for a symbolic link."""
        fd = self._open(_parent(str(path)))
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    @contextmanager
    def folder(self, path: Path) -> Iterator[int]:
        """Open an empty folder at a checked path, made when it is missing, with its parents beneath the root.

        Raises InvalidRequest where it holds something, or is not a folder: a mount would hide that.
        """
        fd, made = self._open_made(str(path), _make_folder)
        try:
            if not made:
                _refuse_full(fd, path)
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def file(self, path: Path) -> Iterator[int]:
        """Open an empty file at a checked path, made when it is missing; raise InvalidRequest for anything else there."""
        fd, _ = self._open_made(str(path), _make_file)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_size:
                raise InvalidRequest(f"the target {str(path)!r} is not an empty file; remove what is there")
            yield fd
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Remove the empty folder or empty file at a checked path, never what it holds; nothing happens when it is gone.

        Raises StillInUse where it is not empty.
        """
        with self.parent(path) as parent:
            if parent is not None:
                _remove(parent, path)

    def _real(self, path: Path) -> Path | None:
        text = str(path)
        for root in self._roots:
            if text.startswith(root.real) and text != root.real:
                return path
            if text.startswith(root.given) and text != root.given:
                return Path(root.real + text[len(root.given) :])
        return None

    def _open(self, path: str) -> int | None:
        if not any(path.startswith(root.real) or path + "/" == root.real for root in self._roots):
            raise InvalidRequest(f"the path {path!r} is not beneath a target root; see --target-root")
        try:
            return _opened(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as failure:
            raise _refused(path, failure) from failure

    def _open_made(self, path: str, make: Callable[[int, str], bool]) -> tuple[int, bool]:
        """Open what is at a path, made when it is missing, with the folders above it; tell whether it was made."""
        above = self._open(_parent(path))
        if above is None:
            self._refuse_missing_root(_parent(path))
            above, _ = self._open_made(_parent(path), _make_folder)
        try:
            made = make(above, path)
        finally:
            os.close(above)
        fd = self._open(path)
        if fd is None:
            raise SystemCallFailed(f"{path} vanished while it was being made ready; try again")
        return fd, made

    def _refuse_missing_root(self, path: str) -> None:
        # Not made here: a root that is missing is a mistyped one, or kubelet's folder before kubelet has come.
        if any(path + "/" == root.real for root in self._roots):
            raise StillInUse(
                f"the target root {path} does not exist; make that folder, or start the driver with another --target-root"
            )


def _slashed(path: str) -> str:
    return path if path.endswith("/") else path + "/"


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _refuse_bad_text(text: str) -> None:
    problem = None
    if not text.startswith("/"):
        problem = "must be absolute"
    elif _CONTROL.search(text):
        problem = "must not contain NUL, newline or other control characters"
    elif "/../" in text + "/":
        problem = "must not contain '..'"
    elif len(text) > _SURELY_SHORT and _is_too_long(os.fsencode(text)):
        problem = f"is too long: {PATH_MAX - 1} bytes at most, {NAME_MAX} in each component"
    if problem is not None:
        raise InvalidRequest(f"the path {text[:256]!r} {problem}")


def _is_too_long(text: bytes) -> bool:
    return len(text) >= PATH_MAX or any(len(part) > NAME_MAX for part in text.split(b"/"))


def _openat2(path: str) -> int:
    """Open a path that goes through no symbolic link; without '..' in it, it cannot leave the root it begins with."""
    fd: int = _libc.syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), _HOW, len(_HOW))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


def _walk(path: str) -> int:
    """Do the same one component at a time."""
    here = os.open("/", os.O_PATH | os.O_CLOEXEC)
    for part in path.split("/"):
        try:
            there = os.open(part or ".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        if stat.S_ISLNK(os.fstat(there).st_mode):
            os.close(there)
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        here = there
    return here


def _opened(path: str) -> int:
    try:
        return _openat2(path)
    except OSError as failure:
        if failure.errno not in {errno.ENOSYS, errno.EPERM}:
            raise
        return _walk(path)


def _refused(path: str, failure: OSError) -> Exception:
    if failure.errno in {errno.ELOOP, errno.EXDEV}:
        return InvalidRequest(
            f"the path {path!r} goes through a symbolic link, which is refused beneath a target root; "
            "name the real path, or make the link's place a target root of its own (--target-root)"
        )
    return SystemCallFailed(f"cannot open {path}: {failure.strerror}")


def _make_folder(parent: int, path: str) -> bool:
    try:
        os.mkdir(_name(path), 0o750, dir_fd=parent)
    except FileExistsError:
        return False
    except OSError as failure:
        raise _not_made(path, failure) from failure
    return True


def _make_file(parent: int, path: str) -> bool:
    try:
        os.close(os.open(_name(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent))
    except FileExistsError:
        return False
    except OSError as failure:
        raise _not_made(path, failure) from failure
    return True


def _not_made(path: str, failure: OSError) -> Exception:
    if isinstance(failure, NotADirectoryError):
        return InvalidRequest(f"the target {path!r} lies below a file, {_parent(path)!r}; remove that file")
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
