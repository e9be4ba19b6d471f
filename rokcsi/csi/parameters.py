"""The parameters of our classes: StorageClass, VolumeSnapshotClass, VolumeGroupSnapshotClass.

docs/reference/csi.md lists them for administrators; a test compares the two. An unknown one
is refused by name, so that a typing error does not go unnoticed for months.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rokcsi.model.consent import CHECKPOINT_POLICY
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import Verification
from rokcsi.model.sizes import Bytes
from rokcsi.model.volume import UNTUNED, Labels, Tuning

FILESYSTEM = "csi.storage.k8s.io/fstype"
UNALIGNED = "allowUnalignedGroup"
BLOCK_SIZE = "blockSize"
COMPRESSION = "compression"
# The class's own field, repeated among its parameters as Kubernetes' storage suite does; the snapshotter sees to it.
DELETION_POLICY = "deletionPolicy"
VOLUME_CHECKS = ("rok/pre-mount-verification", "rok/pre-clone-verification", "rok/post-clone-verification")
SNAPSHOT_CHECKS = ("rok/pre-snapshot-verification", "rok/post-snapshot-verification")

# What external-provisioner and external-snapshotter add with --extra-create-metadata.
METADATA = frozenset(
    f"csi.storage.k8s.io/{name}"
    for name in (
        "pvc/name",
        "pvc/namespace",
        "pv/name",
        "volumesnapshot/name",
        "volumesnapshot/namespace",
        "volumesnapshotcontent/name",
        "volumegroupsnapshot/name",
        "volumegroupsnapshot/namespace",
        "volumegroupsnapshotcontent/name",
    )
)
# The sidecars' own, with which a class names secrets. external-provisioner takes them out of CreateVolume, and leaves them in GetCapacity.
_SECRET = re.compile(r"csi\.storage\.k8s\.io/[a-z-]*secret-(name|namespace)")
_WORD = re.compile(r"[a-z0-9-]{1,32}")
FLAGS_OF_VOLUMES = frozenset({*VOLUME_CHECKS, "rok/wait-for-hydration"})
FLAGS_OF_SNAPSHOTS = frozenset(SNAPSHOT_CHECKS)
FLAGS_OF_GROUPS = frozenset({*SNAPSHOT_CHECKS, UNALIGNED})


@dataclass(frozen=True, slots=True)
class ClassParameters:
    """Parameters that were understood: the flags that are on, what is kept as labels, and what may change later."""

    on: frozenset[str]
    labels: Labels
    mutable: Mapping[str, str]
    filesystem: str = ""
    tuning: Tuning = UNTUNED

    def verification(self, *flags: str) -> Verification:
        """Give CHECK when one of these flags is on."""
        return Verification.CHECK if self.on.intersection(flags) else Verification.NONE


def read_parameters(parameters: Mapping[str, str], flags: frozenset[str], *, volumes: bool = False) -> ClassParameters:
    """Read a class's parameters, of which `flags` are true or false; raise InvalidRequest that names the wrong one."""
    on: set[str] = set()
    others = frozenset({FILESYSTEM, BLOCK_SIZE, COMPRESSION, CHECKPOINT_POLICY} if volumes else {DELETION_POLICY})
    for key, value in parameters.items():
        if key in flags:
            on.update({key} if _flag(key, value) else ())
        elif key not in METADATA | others and not (volumes and _SECRET.fullmatch(key)):
            known = ", ".join(sorted(flags | others - {FILESYSTEM}))
            raise InvalidRequest(f"unknown parameter {key[:128]!r}; this driver knows {known}")
    labels = {key: value for key, value in parameters.items() if key in METADATA}
    mutable = {key: value for key, value in parameters.items() if key == CHECKPOINT_POLICY}
    return ClassParameters(frozenset(on), labels, mutable, parameters.get(FILESYSTEM, ""), _tuning(parameters))


def _tuning(parameters: Mapping[str, str]) -> Tuning:
    size, compression = parameters.get(BLOCK_SIZE), parameters.get(COMPRESSION)
    if compression is not None and _WORD.fullmatch(compression) is None:
        raise InvalidRequest(
            f"the parameter {COMPRESSION} is {compression[:128]!r}; write a word such as lz4, zstd-3 or off"
        )
    return Tuning(None if size is None else Bytes.parse(size), compression)


def _flag(key: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise InvalidRequest(f"the parameter {key} is {value[:128]!r}; it has to be true or false")
    return value == "true"
