"""What a VolumeCapability asks for, and whether a volume of this driver can be used so.

Every access mode that makes sense on one node is accepted. The MULTI_NODE modes are, too:
ReadWriteMany means many pods of the node where the volume lives, which its topology says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.mount_options import check_mount_options
from rokcsi.model.node import Access
from rokcsi.model.volume import Volume

_Mode = csi.VolumeCapability.AccessMode
_READERS = {_Mode.SINGLE_NODE_READER_ONLY, _Mode.MULTI_NODE_READER_ONLY}
_SEVERAL = {
    _Mode.SINGLE_NODE_MULTI_WRITER,
    _Mode.MULTI_NODE_READER_ONLY,
    _Mode.MULTI_NODE_SINGLE_WRITER,
    _Mode.MULTI_NODE_MULTI_WRITER,
}
_MODES = _SEVERAL | _READERS | {_Mode.SINGLE_NODE_WRITER, _Mode.SINGLE_NODE_SINGLE_WRITER}


class CapabilityNotSupported(InvalidRequest):
    """The capability is well formed, and this driver, or this volume, does not have it."""


def access_of(capability: csi.VolumeCapability, field: str = "volume_capability") -> Access:
    """Give how the volume is to be used; raise InvalidRequest, CapabilityNotSupported."""
    check_form(capability, field)
    _check_supported(capability, field)
    mode = capability.access_mode.mode
    return Access(
        block=capability.HasField("block"),
        filesystem=capability.mount.fs_type or None,
        readonly=mode in _READERS,
        options=tuple(capability.mount.mount_flags),
        several_targets=mode in _SEVERAL,
    )


def filesystem_of(capabilities: Sequence[csi.VolumeCapability], otherwise: str = "") -> str | None:
    """Give the file system that satisfies all capabilities: None for raw block, empty where none is named.

    `otherwise` is what the class says. Raises InvalidRequest where they contradict each other.
    """
    accesses = [access_of(each, field) for field, each in _numbered(capabilities)]
    if len({access.block for access in accesses}) > 1:
        raise CapabilityNotSupported(
            "volume_capabilities asks for a raw block device and for a file system; choose one"
        )
    if accesses[0].block:
        return None
    named = {access.filesystem for access in accesses if access.filesystem}
    if len(named) > 1:
        raise CapabilityNotSupported(f"volume_capabilities asks for several file systems: {', '.join(sorted(named))}")
    return named.pop() if named else _known_filesystem(otherwise, "the class")


def check_all_forms(capabilities: Sequence[csi.VolumeCapability]) -> None:
    """Raise InvalidRequest when there is no capability, or one lacks a field that CSI requires."""
    for field, each in _numbered(capabilities):
        check_form(each, field)


def check_form(capability: csi.VolumeCapability, field: str) -> None:
    """Raise InvalidRequest when a field is missing that CSI requires."""
    if not capability.WhichOneof("access_type"):
        raise InvalidRequest(f"{field} says neither block nor mount; give one of them")
    if capability.access_mode.mode == _Mode.UNKNOWN:
        raise InvalidRequest(f"{field}.access_mode is missing; give one, as SINGLE_NODE_WRITER")


def why_not(capabilities: Sequence[csi.VolumeCapability], volume: Volume) -> str:
    """Give why a volume cannot be used in all these ways; empty when it can."""
    try:
        for field, each in _numbered(capabilities):
            check_fits(each, volume, field)
    except CapabilityNotSupported as error:
        return str(error)
    return ""


def check_fits(capability: csi.VolumeCapability, volume: Volume, field: str = "volume_capability") -> None:
    """Raise CapabilityNotSupported when a volume cannot be used in this way."""
    access = access_of(capability, field)
    if access.block != (volume.filesystem is None):
        kind = "a raw block volume" if volume.filesystem is None else f"a volume with {volume.filesystem} on it"
        raise CapabilityNotSupported(f"{field} does not fit: this is {kind}")
    if access.filesystem and access.filesystem != volume.filesystem:
        raise CapabilityNotSupported(f"{field}.fs_type is {access.filesystem}; the volume has {volume.filesystem}")


def _check_supported(capability: csi.VolumeCapability, field: str) -> None:
    if capability.access_mode.mode not in _MODES:
        raise CapabilityNotSupported(f"{field}.access_mode {capability.access_mode.mode} is not known here")
    if capability.mount.volume_mount_group:
        raise CapabilityNotSupported(f"{field}.volume_mount_group is not offered; use the pod's fsGroup")
    _known_filesystem(capability.mount.fs_type, f"{field}.fs_type")
    try:
        check_mount_options(option for flag in capability.mount.mount_flags for option in flag.split(","))
    except InvalidRequest as error:
        raise CapabilityNotSupported(f"{field}.mount_flags: {error}") from error


def _known_filesystem(name: str, field: str) -> str:
    if name and name not in FILESYSTEMS:
        raise CapabilityNotSupported(f"{field} asks for {name!r}; volumes here have {' or '.join(FILESYSTEMS)}")
    return name


def _numbered(capabilities: Sequence[csi.VolumeCapability]) -> Iterable[tuple[str, csi.VolumeCapability]]:
    if not capabilities:
        raise InvalidRequest("volume_capabilities is empty; say how the volume is to be used")
    return [(f"volume_capabilities[{position}]", each) for position, each in enumerate(capabilities)]
