"""Where a pod may see a volume: asked by the pipeline before anything is made, and by the cluster before it mounts."""

from __future__ import annotations

import posixpath

_TAKEN_WITH_ALL_BELOW = ("/proc", "/sys", "/dev")
_TAKEN = frozenset({"/", "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/run", "/sbin", "/usr", "/var"})
_TAKEN |= {"/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/usr/sbin", "/var/run"}
_SHOWN = 200  # characters of a wrong path


def mount_path_problem(path: str) -> str | None:
    """Say what is wrong with the path of a mount, None when nothing is."""
    if not path.startswith("/") or not path.isprintable():
        return f"{path[:_SHOWN]!r} is no absolute path; write it as /home/user/work"
    plain = "/" + posixpath.normpath(path).lstrip("/")
    if plain != path:
        return f"{path[:_SHOWN]!r} has empty, '.' or '..' parts; write it plainly, as {plain[:_SHOWN]}"
    if path in _TAKEN or any(path == taken or path.startswith(taken + "/") for taken in _TAKEN_WITH_ALL_BELOW):
        return f"no volume can be mounted over {path[:_SHOWN]}; choose a folder such as /home/user/work"
    return None
