"""The root folder that a pod's command sees, built in its own mount namespace.

It looks like the host's: every file system of the host lies, read-only, under a layer in
memory that takes the writes and vanishes with the pod, as in a container. /proc, /dev,
/dev/shm and /tmp are the pod's own. Only the pod's volumes are the real thing. Nothing is
made on the host: the volumes' mount paths are made after the old root was let go.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from rokcsi.system.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MountEntry, mount, read_mountinfo
from rokcsi.system.namespaces import attach_mount, change_root, copy_of_mount, make_private, make_readonly
from rokcsi.system.sandbox.plan import SandboxPlan

_KERNELS_OWN = frozenset(
    {"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs"}
)
_KERNELS_OWN |= {"efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs"}
_KERNELS_OWN |= {"securityfs", "selinuxfs", "sysfs", "tracefs"}
# Made anew for each pod, or full of other pods' mounts, which ours would keep from being unmounted.
_TMP, _SHM = "/tmp", "/dev/shm"  # noqa: S108 - the pod's own are meant
_NOT_TAKEN_OVER = ("/proc", "/sys", "/dev", _TMP, "/var/lib/kubelet", "/var/lib/docker", "/var/lib/containerd")
_LOOP_MAJOR = 7  # a volume of some driver, or a package's image
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx"))


class RootRefused(Exception):
    """The pod's root could not be built; the text says which part and what to do."""


def build_root(plan: SandboxPlan) -> None:
    """Make the calling process see the pod's root; it must be in a mount namespace of its own. Raises RootRefused."""
    make_private()
    volumes = [(bind, _copy_of_volume(bind.source, readonly=bind.readonly)) for bind in plan.binds]
    root = _layered_root(plan.scratch)
    for number, point in enumerate(_to_take_over(read_mountinfo(), (*plan.hidden, plan.scratch))):
        _take_over(point, root, os.path.join(plan.scratch, f"writes-{number}"))
    _attach_readonly("/sys", root + "/sys")
    terminals = copy_of_mount("/dev/pts")
    change_root(root)
    _own_file_systems(terminals)
    _hide(plan.hidden)
    for bind, tree in volumes:
        _show(tree, bind.target)


def _copy_of_volume(source: str, *, readonly: bool) -> int:
    try:
        tree = copy_of_mount(source)
        if readonly:
            make_readonly(tree)
    except OSError as error:
        raise RootRefused(f"the volume at {source} cannot be shown to the pod: {why(error)}") from error
    return tree


def _layered_root(scratch: str) -> str:
    root = os.path.join(scratch, "root")
    try:
        mount("pod", scratch, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755")
        os.mkdir(root)
        _layer("/", root, os.path.join(scratch, "writes"))
    except OSError as error:
        raise RootRefused(f"no root for the pod: {why(error)}") from error
    return root


def _layer(lower: str, target: str, writes: str) -> None:
    """Show the file system at `lower` at `target`; what is written there goes to the new folder `writes`."""
    parts = {"lowerdir": lower, "upperdir": writes + "/upper", "workdir": writes + "/work"}
    os.mkdir(writes)
    os.mkdir(parts["upperdir"])
    os.mkdir(parts["workdir"])
    os.chmod(parts["upperdir"], stat.S_IMODE(os.stat(lower).st_mode))
    # Descriptors instead of paths: colons and commas in a path would mean something to overlayfs.
    opened = {key: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for key, path in parts.items()}
    try:
        mount("overlay", target, "overlay", 0, ",".join(f"{key}=/proc/self/fd/{fd}" for key, fd in opened.items()))
    finally:
        for descriptor in opened.values():
            os.close(descriptor)


def _to_take_over(entries: Iterable[MountEntry], hidden: tuple[str, ...]) -> list[str]:
    """Choose the host's mount points that a pod sees, outer ones first."""
    chosen: dict[str, None] = {}
    for entry in entries:
        point = str(entry.point)
        chosen.pop(point, None)  # of several at one place the last covers the others
        if (
            point != "/"
            and _is_files(entry)
            and not any(_is_within(point, away) for away in (*_NOT_TAKEN_OVER, *hidden))
        ):
            chosen[point] = None
    return list(chosen)


def _is_files(entry: MountEntry) -> bool:
    return entry.filesystem not in _KERNELS_OWN and os.major(entry.device) != _LOOP_MAJOR


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _take_over(point: str, root: str, writes: str) -> None:
    """Show a mount of the host in the pod's root: under a layer of its own, or read-only where that is not possible."""
    try:
        _layer(point, root + point, writes)
    except OSError:
        _attach_readonly(point, root + point)


def _attach_readonly(source: str, target: str) -> None:
    # What cannot be shown (a dead network mount, say) stays an empty folder: the pod may never look at it.
    with contextlib.suppress(OSError):
        tree = copy_of_mount(source, recursive=source == "/sys")
        make_readonly(tree)
        attach_mount(tree, target)


def _own_file_systems(terminals: int) -> None:
    """Mount what each pod has for itself. The process must be in its own pid namespace for /proc to be the pod's."""
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("tmpfs", _TMP, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
        mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755")
        _fill_dev(terminals)
    except OSError as error:
        raise RootRefused(f"no {error.filename2 or error.filename} for the pod: {why(error)}") from error


def _fill_dev(terminals: int) -> None:
    mask = os.umask(0)
    for name, major, minor in _DEVICES:
        os.mknod(f"/dev/{name}", 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    os.umask(mask)
    for name, goal in _LINKS:
        os.symlink(goal, f"/dev/{name}")
    os.mkdir("/dev/pts")
    attach_mount(terminals, "/dev/pts")  # the host's, so that a command on the caller's terminal can name it
    os.mkdir(_SHM)
    mount("shm", _SHM, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def _hide(folders: Iterable[str]) -> None:
    for folder in folders:
        if os.path.isdir(folder):
            mount("hidden", folder, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=755")


def _show(tree: int, target: str) -> None:
    try:
        os.makedirs(target, exist_ok=True)
        attach_mount(tree, target)
    except OSError as error:
        raise RootRefused(f"no volume can be mounted at {target}: {why(error)}") from error
    finally:
        os.close(tree)


def why(error: OSError) -> str:
    """Say what a refused system call means to the person who started the pod."""
    if error.errno == errno.ENODEV:
        return "the kernel has no such file system; load its module (modprobe overlay)"
    if error.errno == errno.ENOSYS:
        return "the kernel is too old; Linux 5.12 or newer is needed"
    if error.errno == errno.EPERM:
        return "not permitted; run as root, outside of an unprivileged container"
    return f"{error.strerror} ({error.filename})"
