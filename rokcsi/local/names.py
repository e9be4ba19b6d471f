"""Which names and mount paths the local cluster accepts: those that Kubernetes would."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rokcsi.model.cluster import NewClaim, NewPod, PodVolume
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.mount_paths import mount_path_problem
from rokcsi.model.object_names import is_object_name
from rokcsi.model.sizes import LARGEST, Bytes

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_VOLUME_NAME = re.compile(_LABEL)
_VARIABLE = re.compile(r"[A-Za-z_][-A-Za-z0-9_.]*")


def check_name(kind: str, name: str) -> None:
    """Raise InvalidRequest unless `name` is a DNS subdomain, as Kubernetes' names are."""
    if not is_object_name(name):
        raise InvalidRequest(
            f"{name[:128]!r} is no name for a {kind}; use lower-case letters, digits, '-' and '.', at most 253 of them, "
            "beginning and ending with a letter or digit"
        )


def check_claim(new: NewClaim) -> None:
    """Raise InvalidRequest for a claim that can never be."""
    check_name("claim", new.name)
    if new.filesystem not in FILESYSTEMS:
        known = " or ".join(FILESYSTEMS)
        raise InvalidRequest(f"claim {new.name!r}: {new.filesystem[:32]!r} is no file system; use {known}")
    if new.size <= Bytes(0):
        raise InvalidRequest(f"claim {new.name!r}: its size is 0; ask for 1Gi, say")
    if new.size > LARGEST:
        raise InvalidRequest(f"claim {new.name!r}: its size is {new.size}; a size stays below {LARGEST}")
    if new.from_snapshot == "":
        raise InvalidRequest(f"claim {new.name!r}: the snapshot's handle is empty; leave it out for an empty volume")


def check_pod(new: NewPod) -> None:
    """Raise InvalidRequest for a pod that can never run."""
    check_name("pod", new.name)
    for word in (*new.command, *new.environment.values(), new.working_directory or "/"):
        if "\0" in word:
            raise InvalidRequest(f"pod {new.name!r}: a NUL character stands in its command or environment")
    if new.command and not new.command[0]:
        raise InvalidRequest(f"pod {new.name!r}: its command begins with an empty word")
    check_environment(new.name, list(new.environment))
    if new.working_directory is not None and not new.working_directory.startswith("/"):
        raise InvalidRequest(f"pod {new.name!r}: its working directory {new.working_directory!r} is not absolute")
    _check_volumes(new.name, new.volumes)


def check_environment(pod: str, names: Sequence[str]) -> None:
    """Raise InvalidRequest for a variable whose name no shell could say."""
    for name in names:
        if _VARIABLE.fullmatch(name) is None:
            raise InvalidRequest(f"pod {pod!r}: {name[:128]!r} is no name for an environment variable")


def _check_volumes(pod: str, volumes: Sequence[PodVolume]) -> None:
    for volume in volumes:
        if _VOLUME_NAME.fullmatch(volume.name) is None:
            raise InvalidRequest(
                f"pod {pod!r}: {volume.name[:128]!r} is no name for a volume; use lower-case letters, digits and '-', at most 63"
            )
        check_name("claim", volume.claim)
        _check_mount_path(pod, volume.mount_path)
    _check_distinct(pod, "name", [volume.name for volume in volumes])
    _check_distinct(pod, "mount path", [volume.mount_path for volume in volumes])


def _check_distinct(pod: str, what: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise InvalidRequest(f"pod {pod!r}: two volumes have the {what} {value!r}")


def _check_mount_path(pod: str, path: str) -> None:
    if (problem := mount_path_problem(path)) is not None:
        raise InvalidRequest(f"pod {pod!r}: the mount path {problem}")
