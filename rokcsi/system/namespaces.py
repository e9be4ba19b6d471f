"""The system calls behind a pod's own view of the machine, as typed functions.

Called by the sandbox's trampoline only, which starts without third-party packages: standard
library and ctypes. Every function raises OSError with the kernel's errno. The numbers of
the newer calls (open_tree(2), move_mount(2), mount_setattr(2)) are the same on every
architecture; they need Linux 5.12.
"""

from __future__ import annotations

import ctypes
import os

from rokcsi.system.mounts import MNT_DETACH, MS_PRIVATE, MS_REC, mount, unmount

CLONE_NEWNS = 0x0002_0000
CLONE_NEWPID = 0x2000_0000

_PR_SET_PDEATHSIG = 1
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_MOUNT_ATTR_RDONLY = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    """See mount_setattr(2), struct mount_attr."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _checked(result: int, subject: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def enter(process: int, flags: int) -> None:
    """Join these namespaces of the process behind a pidfd; see setns(2)."""
    _checked(_libc.setns(process, flags), "setns")


def die_with_parent(number: int) -> None:
    """Have the kernel send this signal to the calling process when its parent ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def make_private() -> None:
    """Cut the ties of all mounts of this namespace, so that no change here is seen in another."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def copy_of_mount(path: str, *, recursive: bool = False) -> int:
    """Give a file descriptor of a copy of the mount (or the part of it) at `path`, attached nowhere yet."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return _checked(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), path)


def make_readonly(tree: int) -> None:
    """Make a copied mount read-only, with all below it; its other options stay."""
    attributes = _MountAttributes(attr_set=_MOUNT_ATTR_RDONLY)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    _checked(_libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", flags, ctypes.byref(attributes), size), "mount_setattr")


def attach_mount(tree: int, target: str) -> None:
    """Attach a copied mount at `target`, which must exist."""
    _checked(
        _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH), target
    )


def change_root(new_root: str) -> None:
    """Make `new_root`, a mount, the root, and let go of the old one with all that is mounted in it."""
    os.chdir(new_root)
    # pivot_root(".", ".") stacks the old root on the new one, from where it is taken off; see pivot_root(2).
    _checked(_libc.pivot_root(b".", b"."), new_root)
    unmount(".", MNT_DETACH)
    os.chdir("/")
