"""Every field of every CSI request, and the wrong values for it: what tests/unit/csi/test_bad_input.py sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from rokcsi.csi.proto import csi_pb2 as csi

INVALID, MISSING, FINE = "INVALID_ARGUMENT", "NOT_FOUND", "OK"
NOT_OFFERED = {"ControllerPublishVolume", "ControllerUnpublishVolume"}
SERVED = ("Identity", "Controller", "GroupController", "Node")
FOREIGN = "f" * 32
_SURE_TO_BE_UNKNOWN = (
    "a\0b",
    "a\x01b",
    "a\nb",
    "../../etc/passwd",
    "Ünï✓ 𝄞",
    f"v-{FOREIGN}-{FOREIGN}",
    f"s-{FOREIGN}-{FOREIGN}",
)
_DIFFERS = "ALREADY_EXISTS"
_IN_USE = {"NodeStageVolume", "NodePublishVolume"}
_FORGIVING = {"DeleteVolume", "DeleteSnapshot", "DeleteVolumeGroupSnapshot", "ListSnapshots"}
_MAY_BE_EMPTY = {("ListSnapshots", "snapshot_id"), ("ListSnapshots", "source_volume_id")}


@dataclass(frozen=True, slots=True)
class Wrong:
    """One value for one field, and the codes that are right answers to it."""

    value: object
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field that holds a value itself, at a path of field names from the request."""

    method: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method}.{'.'.join(self.path)}"

    @property
    def name(self) -> str:
        """The field's own name."""
        return self.path[-1]


def leaves() -> Iterator[Leaf]:
    """Give every field of every request of the services that are served."""
    for service in SERVED:
        for method in csi.DESCRIPTOR.services_by_name[service].methods:
            if method.name not in NOT_OFFERED:
                yield from _leaves(method.name, method.input_type, ())


def _leaves(method: str, message: Descriptor, path: tuple[str, ...]) -> Iterator[Leaf]:
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry:
            yield Leaf(method, (*path, field.name))
        else:
            yield from _leaves(method, inner, (*path, field.name))


def with_value(request: Message, path: Sequence[str], value: object) -> Any:
    """Give the request with another value in one field, a first element where it is repeated."""
    changed: Any = type(request)()
    changed.CopyFrom(request)
    within = changed
    for name in path[:-1]:
        within = getattr(within, name)
        if not isinstance(within, Message):
            within = within[0] if len(within) else within.add()
    _set(within, within.DESCRIPTOR.fields_by_name[path[-1]], value)
    return changed


def _set(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is not None or isinstance(value, list):
        message.ClearField(field.name)
        several = getattr(message, field.name)
        several.extend(value) if isinstance(value, list) else several.update(value)
    else:
        setattr(message, field.name, value)


def wrong_values(leaf: Leaf) -> Sequence[Wrong]:
    """Give the values to try in a field; KeyError when nobody has thought about it."""
    return _RULES[leaf.name](leaf)


def _names(leaf: Leaf) -> Sequence[Wrong]:
    refused = [Wrong(value, (INVALID,)) for value in ("", "x" * 129, "é" * 65, "a\0b", "a\x01b", "a\x7fb", "a\x9fb")]
    welcome = [
        Wrong(value, (FINE,)) for value in ("a\nb\tc", "../../etc/passwd", "Ünï✓ 𝄞", "x" * 128, " ", "a/b", "-rf")
    ]
    return refused + welcome


def _handles(leaf: Leaf) -> Sequence[Wrong]:
    empty = FINE if (leaf.method, leaf.name) in _MAY_BE_EMPTY else INVALID
    unknown = FINE if leaf.method in _FORGIVING else MISSING
    return [
        Wrong("", (empty,)),
        Wrong("x" * 129, (INVALID,)),
        *(Wrong(value, (unknown,)) for value in _SURE_TO_BE_UNKNOWN),
    ]


def _handle_lists(leaf: Leaf) -> Sequence[Wrong]:
    # Another list of members than the group's is a mismatch, which CSI calls an invalid argument.
    unknown = MISSING if leaf.name == "source_volume_ids" else INVALID
    empty = INVALID if leaf.name == "source_volume_ids" else FINE
    return [
        Wrong([], (empty,)),
        Wrong([""], (INVALID,)),
        Wrong(["x" * 129], (INVALID,)),
        Wrong(["a", "a"], (INVALID,)),
        *(Wrong([value], (unknown,)) for value in _SURE_TO_BE_UNKNOWN),
    ]


def _paths(leaf: Leaf) -> Sequence[Wrong]:
    empty = INVALID
    if leaf.name == "staging_target_path":
        if leaf.method in {"NodeGetVolumeStats", "NodeExpandVolume"}:  # optional there, and never used
            return [Wrong("", (FINE,)), Wrong("/" + "x" * 4096, (INVALID,))]
        empty = "FAILED_PRECONDITION" if leaf.method == "NodePublishVolume" else INVALID
    bad = ("/a/../../etc", "/a\0b", "/a\nb", "/a\x1bb", "/", "//", "/" + "x" * 4096)
    # csi-sanity asks what is at `some/path`, and wants to hear that there is no volume.
    relative = MISSING if leaf.name == "volume_path" else INVALID
    return [Wrong("", (empty,)), Wrong("some/path", (relative,)), *(Wrong(value, (INVALID,)) for value in bad)]


def _class_parameters(leaf: Leaf) -> Sequence[Wrong]:
    if leaf.method == "ValidateVolumeCapabilities":
        return [Wrong({"rok/typo": "true"}, (FINE,)), Wrong({"k": "v" * 4096}, (INVALID,))]  # answered: not confirmed
    of_volumes = leaf.method in {"CreateVolume", "GetCapacity"}
    known = "rok/post-clone-verification" if of_volumes else "rok/post-snapshot-verification"
    bad = (
        {"rok/typo": "true"},
        {"": ""},
        {known: "yes"},
        {known: ""},
        {"csi.storage.k8s.io/typo": "x"},
        {"k": "v" * 4096},
    )
    return [Wrong({known: "true"}, (FINE,)), *(Wrong(value, (INVALID,)) for value in bad)]


def _mutable(leaf: Leaf) -> Sequence[Wrong]:
    if leaf.method == "ValidateVolumeCapabilities":
        return [Wrong({"k": "v" * 4096}, (INVALID,))]
    bad: Sequence[Mapping[str, str]] = ({"typo": "x"}, {"checkpoint-policy": "sometimes"}, {"": ""}, {"k": "v" * 4096})
    return [Wrong({}, (FINE,)), *(Wrong(value, (INVALID,)) for value in bad)]


def _ignored_maps(leaf: Leaf) -> Sequence[Wrong]:
    return [Wrong({"a\0b": "../..", "password": "hunter2"}, (FINE,)), Wrong({"k": "v" * 4096}, (INVALID,))]


def _fs_types(leaf: Leaf) -> Sequence[Wrong]:
    refused = (FINE,) if leaf.method in {"ValidateVolumeCapabilities", "GetCapacity"} else (INVALID,)
    bad = ("btrfs", "../xfs", "xfs\0", "x\nfs", "XFS", "ext4 -o dev")
    return [Wrong("x" * 129, (INVALID,)), *(Wrong(value, refused) for value in bad)]


def _mount_flags(leaf: Leaf) -> Sequence[Wrong]:
    refused = (FINE,) if leaf.method in {"ValidateVolumeCapabilities", "GetCapacity"} else (INVALID,)
    bad = (["suid"], ["dev"], ["logdev=/dev/sda"], ["noatime,suid"], ["a\0b"], ["loop"], ["data=writeback"])
    # On a node the volume is in use already, without these.
    fine = Wrong(["noatime", "nosuid,nodev"], (_DIFFERS if leaf.method in _IN_USE else FINE,))
    return [fine, Wrong(["noatime"] * 700, (INVALID,)), *(Wrong(value, refused) for value in bad)]


def _mount_groups(leaf: Leaf) -> Sequence[Wrong]:
    refused = (FINE,) if leaf.method in {"ValidateVolumeCapabilities", "GetCapacity"} else (INVALID,)
    return [Wrong("100", refused), Wrong("x" * 129, (INVALID,))]


def _modes(leaf: Leaf) -> Sequence[Wrong]:
    unknown = (FINE,) if leaf.method in {"ValidateVolumeCapabilities", "GetCapacity"} else (INVALID,)
    return [Wrong(0, (INVALID,)), Wrong(99, unknown)]


def _sizes(leaf: Leaf) -> Sequence[Wrong]:
    huge = ("OUT_OF_RANGE", "RESOURCE_EXHAUSTED")
    if leaf.method == "NodeExpandVolume":  # the node grows to the volume that there is
        return [Wrong(-1, (INVALID,)), Wrong(-(1 << 63), (INVALID,))]
    if leaf.name == "limit_bytes":
        return [Wrong(-1, (INVALID,)), Wrong(-(1 << 63), (INVALID,)), Wrong(1, ("OUT_OF_RANGE", INVALID))]
    return [Wrong(-1, (INVALID,)), Wrong(-(1 << 63), (INVALID,)), Wrong((1 << 63) - 1, huge), Wrong(1 << 60, huge)]


def _segments(leaf: Leaf) -> Sequence[Wrong]:
    elsewhere = {"topology.rokcsi.dev/node": "node-2"}
    strange = {"a\0b": "../.."}
    refused = ("RESOURCE_EXHAUSTED",) if "requisite" in leaf.path else (FINE,)
    return [Wrong(elsewhere, refused), Wrong(strange, refused), Wrong({"k": "v" * 4096}, (INVALID,))]


def _entries(leaf: Leaf) -> Sequence[Wrong]:
    return [Wrong(-1, (INVALID,)), Wrong(-(1 << 31), (INVALID,)), Wrong((1 << 31) - 1, (FINE,))]


def _tokens(leaf: Leaf) -> Sequence[Wrong]:
    bad = ("x", "a\0b", "../..", "é", "x" * 129, "x" * 5000, "0" * 48, "1")
    return [Wrong("", (FINE,)), *(Wrong(value, ("ABORTED",)) for value in bad)]


def _booleans(leaf: Leaf) -> Sequence[Wrong]:
    return [Wrong(True, (_DIFFERS,))]


_RULES = {
    "name": _names,
    "volume_id": _handles,
    "source_volume_id": _handles,
    "snapshot_id": _handles,
    "group_snapshot_id": _handles,
    "source_volume_ids": _handle_lists,
    "snapshot_ids": _handle_lists,
    "staging_target_path": _paths,
    "target_path": _paths,
    "volume_path": _paths,
    "parameters": _class_parameters,
    "mutable_parameters": _mutable,
    "secrets": _ignored_maps,
    "volume_context": _ignored_maps,
    "publish_context": _ignored_maps,
    "fs_type": _fs_types,
    "mount_flags": _mount_flags,
    "volume_mount_group": _mount_groups,
    "mode": _modes,
    "required_bytes": _sizes,
    "limit_bytes": _sizes,
    "segments": _segments,
    "max_entries": _entries,
    "starting_token": _tokens,
    "readonly": _booleans,
}
