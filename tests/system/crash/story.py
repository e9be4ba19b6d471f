"""A story that makes every changing CSI call once, with real files inside, and can go on after a crash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc as stubs

MIB = 1 << 20
_Mode = csi.VolumeCapability.AccessMode
MOUNTED = csi.VolumeCapability(
    mount=csi.VolumeCapability.MountVolume(fs_type="xfs"), access_mode=_Mode(mode=_Mode.SINGLE_NODE_MULTI_WRITER)
)
MOUNTED_EXT4 = csi.VolumeCapability(
    mount=csi.VolumeCapability.MountVolume(fs_type="ext4"), access_mode=_Mode(mode=_Mode.SINGLE_NODE_MULTI_WRITER)
)
BLOCK = csi.VolumeCapability(
    block=csi.VolumeCapability.BlockVolume(), access_mode=_Mode(mode=_Mode.SINGLE_NODE_MULTI_WRITER)
)
CONTENT = os.urandom(1 << 18)


class Calls:
    """The CSI stubs of one running driver."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.insecure_channel(
            endpoint, [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 50)]
        )
        self.identity = stubs.IdentityStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self.controller = stubs.ControllerStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self.groups = stubs.GroupControllerStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self.node = stubs.NodeStub(self._channel)  # type: ignore[no-untyped-call]  # generated code

    def close(self) -> None:
        self._channel.close()


@dataclass
class Story:
    """`steps` gives the calls one by one; what they answered is kept under their names."""

    folder: Path
    answers: dict[str, Any] = field(default_factory=dict)

    def volume(self, name: str) -> str:
        return str(self.answers[name].volume.volume_id)

    def snapshot(self, name: str) -> str:
        return str(self.answers[name].snapshot.snapshot_id)

    def staging(self, name: str) -> Path:
        path = self.folder / "staging" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, name: str) -> Path:
        path = self.folder / "pods" / name / "mount"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def steps(self) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        yield from self._first_volumes()
        yield from self._copies()
        yield from self._changes()
        yield from self._endings()

    def create(
        self, name: str, capability: csi.VolumeCapability, size: int, **source: Any
    ) -> tuple[str, Callable[[Calls], Any]]:
        def call(calls: Calls) -> Any:
            request = csi.CreateVolumeRequest(
                name=name,
                capacity_range=csi.CapacityRange(required_bytes=size),
                volume_capabilities=[capability],
            )
            if "snapshot" in source:
                request.volume_content_source.snapshot.snapshot_id = self.snapshot(source["snapshot"])
            if "volume" in source:
                request.volume_content_source.volume.volume_id = self.volume(source["volume"])
            return calls.controller.CreateVolume(request, timeout=30)

        return name, call

    def mount(
        self, name: str, capability: csi.VolumeCapability = MOUNTED
    ) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        def stage(calls: Calls) -> Any:
            return calls.node.NodeStageVolume(
                csi.NodeStageVolumeRequest(
                    volume_id=self.volume(name),
                    staging_target_path=str(self.staging(name)),
                    volume_capability=capability,
                ),
                timeout=30,
            )

        def publish(calls: Calls) -> Any:
            return calls.node.NodePublishVolume(
                csi.NodePublishVolumeRequest(
                    volume_id=self.volume(name),
                    staging_target_path=str(self.staging(name)),
                    target_path=str(self.target(name)),
                    volume_capability=capability,
                ),
                timeout=30,
            )

        yield f"stage {name}", stage
        yield f"publish {name}", publish

    def unmount(self, name: str) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        yield (
            f"unpublish {name}",
            lambda calls: calls.node.NodeUnpublishVolume(
                csi.NodeUnpublishVolumeRequest(volume_id=self.volume(name), target_path=str(self.target(name))),
                timeout=30,
            ),
        )
        yield (
            f"unstage {name}",
            lambda calls: calls.node.NodeUnstageVolume(
                csi.NodeUnstageVolumeRequest(volume_id=self.volume(name), staging_target_path=str(self.staging(name))),
                timeout=30,
            ),
        )

    def _first_volumes(self) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        yield self.create("work", MOUNTED, 300 * MIB)
        yield from self.mount("work")
        yield "write work", lambda _: (self.target("work") / "file").write_bytes(CONTENT)
        yield self.create("small", MOUNTED_EXT4, 64 * MIB)
        yield from self.mount("small", MOUNTED_EXT4)
        yield "write small", lambda _: (self.target("small") / "file").write_bytes(CONTENT)
        yield self.create("raw", BLOCK, 16 * MIB)
        yield from self.mount("raw", BLOCK)

    def _copies(self) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        yield (
            "cut",
            lambda calls: calls.controller.CreateSnapshot(
                csi.CreateSnapshotRequest(name="cut", source_volume_id=self.volume("work")), timeout=30
            ),
        )
        yield (
            "checked cut",
            lambda calls: calls.controller.CreateSnapshot(
                csi.CreateSnapshotRequest(
                    name="checked cut",
                    source_volume_id=self.volume("work"),
                    parameters={"rok/post-snapshot-verification": "true"},
                ),
                timeout=30,
            ),
        )
        yield self.create("clone", MOUNTED, 400 * MIB, snapshot="cut")
        yield from self.mount("clone")
        yield "read clone", lambda _: self.must_read("clone")
        yield self.create("copy", MOUNTED, 300 * MIB, volume="work")
        yield (
            "group",
            lambda calls: calls.groups.CreateVolumeGroupSnapshot(
                csi.CreateVolumeGroupSnapshotRequest(
                    name="group", source_volume_ids=[self.volume("work"), self.volume("clone"), self.volume("small")]
                ),
                timeout=30,
            ),
        )

    def _changes(self) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        yield (
            "expand",
            lambda calls: calls.controller.ControllerExpandVolume(
                csi.ControllerExpandVolumeRequest(
                    volume_id=self.volume("work"), capacity_range=csi.CapacityRange(required_bytes=500 * MIB)
                ),
                timeout=30,
            ),
        )
        yield (
            "expand on the node",
            lambda calls: calls.node.NodeExpandVolume(
                csi.NodeExpandVolumeRequest(
                    volume_id=self.volume("work"),
                    volume_path=str(self.target("work")),
                    staging_target_path=str(self.staging("work")),
                ),
                timeout=30,
            ),
        )
        yield (
            "modify",
            lambda calls: calls.controller.ControllerModifyVolume(
                csi.ControllerModifyVolumeRequest(
                    volume_id=self.volume("work"), mutable_parameters={"checkpoint-policy": "none"}
                ),
                timeout=30,
            ),
        )

    def _endings(self) -> Iterator[tuple[str, Callable[[Calls], Any]]]:
        for name in ("work", "small", "raw", "clone"):
            if name != "raw":
                yield f"read {name} at the end", lambda _, name=name: self.must_read(name)  # type: ignore[misc]  # the default binds the loop's name
            yield from self.unmount(name)
        yield (
            "remove group",
            lambda calls: calls.groups.DeleteVolumeGroupSnapshot(
                csi.DeleteVolumeGroupSnapshotRequest(
                    group_snapshot_id=self.answers["group"].group_snapshot.group_snapshot_id,
                    snapshot_ids=[member.snapshot_id for member in self.answers["group"].group_snapshot.snapshots],
                ),
                timeout=30,
            ),
        )
        for name in ("cut", "checked cut"):
            yield (
                f"remove {name}",
                lambda calls, name=name: calls.controller.DeleteSnapshot(  # type: ignore[misc]  # as above
                    csi.DeleteSnapshotRequest(snapshot_id=self.snapshot(name)), timeout=30
                ),
            )
        for name in ("work", "small", "raw", "clone", "copy"):
            yield (
                f"remove {name}",
                lambda calls, name=name: calls.controller.DeleteVolume(  # type: ignore[misc]  # as above
                    csi.DeleteVolumeRequest(volume_id=self.volume(name)), timeout=30
                ),
            )

    def must_read(self, name: str) -> None:
        found = hashlib.sha256((self.target(name) / "file").read_bytes()).hexdigest()
        assert found == hashlib.sha256(CONTENT).hexdigest(), f"{name} does not hold what was written"
