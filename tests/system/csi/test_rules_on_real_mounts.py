"""The rules of CSI that show only where volumes are really mounted: over gRPC, through the real driver."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.system.mounts import read_mountinfo
from tests.fakes.csi_caller import (
    GIB,
    MIB,
    Refused,
    block_capability,
    from_snapshot,
    from_volume,
    mount_capability,
)
from tests.system.csi.conftest import NodeOfPods

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
Code = grpc.StatusCode
SIZE = 512 * MIB


def write(folder: Path, text: str = "precious") -> str:
    """Write a file and a nested one; give their hash."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "file").write_text(text * 1000)
    (folder / "deep" / "er" / "file").write_text(text)
    return content(folder)


def content(folder: Path) -> str:
    """Give the hash of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def room(folder: Path) -> int:
    """Give the size of the file system that is seen there."""
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def kind(path: Path) -> str:
    """Give the file system that is mounted at a path."""
    return next(entry.filesystem for entry in read_mountinfo() if entry.point == path)


def mounted(path: Path) -> int:
    """Give how many mounts lie at a path."""
    return sum(entry.point == path for entry in read_mountinfo())


def volume(node: NodeOfPods, name: str, fs_type: str = "xfs", size: int = SIZE) -> str:
    """Make a volume."""
    made = node.volume(name, size=size, volume_capabilities=[mount_capability(fs_type=fs_type)])
    return made.volume_id


@pytest.mark.parametrize("fs_type", ["xfs", "ext4"])
def test_a_larger_clone_has_the_sources_files_and_its_own_room_once_published(node: NodeOfPods, fs_type: str) -> None:
    source = volume(node, "source", fs_type)
    digest = write(node.shown(source, "notebook"))
    snapshot = node.snapshot(source).snapshot_id
    clone = node.volume("clone", size=2 * SIZE, volume_content_source=from_snapshot(snapshot)).volume_id
    seen = node.shown(clone, "step")
    assert content(seen) == digest
    assert room(seen) > 1.7 * SIZE


@pytest.mark.parametrize("size", [0, 64 * MIB])
def test_who_names_no_file_system_gets_the_sources_even_below_the_smallest_xfs(node: NodeOfPods, size: int) -> None:
    unnamed = mount_capability(fs_type="")
    source = volume(node, "source", "ext4", 64 * MIB)
    digest = write(node.shown(source, "notebook", unnamed))
    assert kind(node.staging(source)) == "ext4"
    sources = {"a": from_snapshot(node.snapshot(source).snapshot_id), "b": from_volume(source)}
    for name, begins in sources.items():
        for _ in range(2):
            made = node.volume(name, size=size, volume_capabilities=[unnamed], volume_content_source=begins)
            assert made.capacity_bytes == 64 * MIB
        seen = node.shown(made.volume_id, f"step-{name}", unnamed)
        assert content(seen) == digest
        assert {kind(seen), kind(node.staging(made.volume_id))} == {"ext4"}


def test_an_empty_volume_whose_file_system_nobody_names_is_xfs(node: NodeOfPods) -> None:
    unnamed = mount_capability(fs_type="")
    made = node.volume("v", size=SIZE, volume_capabilities=[unnamed]).volume_id
    assert kind(node.shown(made, "pod", unnamed)) == "xfs"


@pytest.mark.parametrize("fs_type", ["xfs", "ext4"])
def test_a_volume_and_many_clones_of_it_are_mounted_at_once(node: NodeOfPods, fs_type: str) -> None:
    source = volume(node, "source", fs_type)
    digest = write(node.shown(source, "notebook"))
    clones = [
        node.volume(f"clone {number}", size=SIZE, volume_content_source=from_volume(source)).volume_id
        for number in range(3)
    ]
    seen = [node.shown(clone, f"step-{number}") for number, clone in enumerate(clones)]
    (seen[0] / "file").write_text("changed")
    assert content(seen[1]) == content(seen[2]) == content(node.target("notebook")) == digest


@pytest.mark.parametrize("fs_type", ["xfs", "ext4"])
def test_a_clone_of_a_volume_in_use_can_be_published_read_only(node: NodeOfPods, fs_type: str) -> None:
    source = volume(node, "source", fs_type)
    digest = write(node.shown(source, "notebook"))
    clone = node.volume("clone", size=SIZE, volume_content_source=from_volume(source)).volume_id
    node.stage(clone)
    seen = node.publish(clone, "reader", readonly=True)
    assert content(seen) == digest
    with pytest.raises(OSError, match="Read-only"):
        (seen / "new").touch()


def test_a_volume_is_never_formatted_a_second_time(node: NodeOfPods) -> None:
    made = volume(node, "v")
    digest = write(node.shown(made, "first"))
    for pod in ("second", "third"):
        node.unpublish(made, "first" if pod == "second" else "second")
        node.unstage(made)
        assert content(node.shown(made, pod)) == digest


def test_one_target_for_a_single_writer_and_many_for_many(node: NodeOfPods) -> None:
    made = volume(node, "v")
    single = mount_capability("SINGLE_NODE_SINGLE_WRITER")
    node.shown(made, "one", single)
    node.publish(made, "one", single)
    with pytest.raises(Refused) as refused:
        node.publish(made, "two", single)
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert not node.target("two").exists()
    with pytest.raises(Refused) as refused:
        node.publish(made, "one", single, readonly=True)
    assert refused.value.code is Code.ALREADY_EXISTS
    assert mounted(node.target("one")) == 1
    shared = volume(node, "w")
    many = mount_capability("MULTI_NODE_MULTI_WRITER")
    write(node.shown(shared, "a", many))
    assert content(node.publish(shared, "b", many)) == content(node.target("a"))


def test_a_second_mount_over_the_target_costs_no_file_when_it_is_unpublished(node: NodeOfPods) -> None:
    made = volume(node, "v")
    target = node.shown(made, "pod")
    digest = write(target)
    subprocess.run(["mount", "--bind", str(target), str(target)], check=True, timeout=30)
    node.unpublish(made, "pod")
    assert mounted(target) == 0
    assert not target.exists()
    assert content(node.staging(made)) == digest


def test_a_target_that_holds_others_files_is_left_as_it_is(node: NodeOfPods) -> None:
    made = volume(node, "v")
    target = node.shown(made, "pod")
    subprocess.run(["umount", str(target)], check=True, timeout=30)
    (target / "theirs").write_text("precious")
    try:
        node.unpublish(made, "pod")
    except Refused as refused:
        assert refused.code in {Code.FAILED_PRECONDITION, Code.INTERNAL}  # noqa: PT017 - either answer is right
    assert (target / "theirs").read_text() == "precious"
    (target / "theirs").unlink()


def test_a_volume_that_is_staged_is_not_deleted(node: NodeOfPods) -> None:
    made = volume(node, "v")
    digest = write(node.shown(made, "pod"))
    with pytest.raises(Refused) as refused:
        node.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=made))
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert content(node.target("pod")) == digest


def test_undoing_twice_is_fine_and_leaves_nothing(node: NodeOfPods) -> None:
    made = volume(node, "v")
    target = node.shown(made, "pod")
    for _ in range(2):
        node.unpublish(made, "pod")
    for _ in range(2):
        node.unstage(made)
    assert not target.exists()
    assert mounted(node.staging(made)) == 0
    node.call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=made))


def test_xfs_grows_while_it_is_mounted(node: NodeOfPods) -> None:
    made = volume(node, "v")
    target = node.shown(made, "pod")
    digest = write(target)
    larger = csi.CapacityRange(required_bytes=2 * SIZE)
    grown = node.call(
        "ControllerExpandVolume", csi.ControllerExpandVolumeRequest(volume_id=made, capacity_range=larger)
    )
    assert grown.node_expansion_required
    request = csi.NodeExpandVolumeRequest(volume_id=made, volume_path=str(target), capacity_range=larger)
    assert node.call("NodeExpandVolume", request).capacity_bytes == 2 * SIZE
    assert room(target) > 1.7 * SIZE
    assert content(target) == digest


def test_ext4_grows_while_it_is_mounted_or_when_it_is_staged_next(node: NodeOfPods) -> None:
    made = volume(node, "v", "ext4")
    target = node.shown(made, "pod")
    digest = write(target)
    larger = csi.CapacityRange(required_bytes=2 * SIZE)
    node.call("ControllerExpandVolume", csi.ControllerExpandVolumeRequest(volume_id=made, capacity_range=larger))
    request = csi.NodeExpandVolumeRequest(volume_id=made, volume_path=str(target), capacity_range=larger)
    try:
        node.call("NodeExpandVolume", request)
    except Refused as refused:
        assert refused.code is Code.FAILED_PRECONDITION  # noqa: PT017 - the kernel may not allow it
        assert content(target) == digest
        node.unpublish(made, "pod")
        node.unstage(made)
        node.shown(made, "pod")
    assert room(target) > 1.7 * SIZE
    assert content(target) == digest


def test_a_small_xfs_is_rounded_up_within_the_limit_or_refused(node: NodeOfPods) -> None:
    assert node.volume("small", size=MIB).capacity_bytes == 300 * MIB
    with pytest.raises(Refused) as refused:
        node.volume("limited", size=MIB, limit=100 * MIB)
    assert refused.value.code is Code.OUT_OF_RANGE


@pytest.mark.embedded
def test_raw_volumes_in_use_are_cut_together_only_where_the_class_allows_it(node: NodeOfPods) -> None:
    raw = [node.volume(name, size=SIZE, volume_capabilities=[block_capability()]).volume_id for name in ("a", "b")]
    for number, each in enumerate(raw):
        node.shown(each, f"pod-{number}", block_capability())
    with pytest.raises(Refused) as refused:
        node.group(raw)
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert not node.call("ListSnapshots", csi.ListSnapshotsRequest()).entries
    request = csi.CreateVolumeGroupSnapshotRequest(
        name="g", source_volume_ids=raw, parameters={"allowUnalignedGroup": "true"}
    )
    _, told = node.call_with_metadata("CreateVolumeGroupSnapshot", request)
    assert told["rokcsi-consistency"] == "shared-while-written"


@pytest.mark.lab
def test_raw_volumes_in_use_are_cut_together_where_the_pool_can_stop_their_writers(node: NodeOfPods) -> None:
    raw = [node.volume(name, size=SIZE, volume_capabilities=[block_capability()]).volume_id for name in ("a", "b")]
    devices = [node.shown(each, f"pod-{number}", block_capability()) for number, each in enumerate(raw)]
    opened = [device.open("rb") for device in devices]
    request = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=raw)
    _, told = node.call_with_metadata("CreateVolumeGroupSnapshot", request)
    assert told["rokcsi-consistency"] == "crash-consistent"
    for file in opened:
        file.close()


def test_a_raw_volume_is_a_device_that_keeps_its_bytes_in_a_clone(node: NodeOfPods) -> None:
    raw = node.volume("raw", size=SIZE, volume_capabilities=[block_capability()]).volume_id
    device = node.shown(raw, "pod", block_capability())
    assert device.is_block_device()
    with device.open("r+b", buffering=0) as bare:
        bare.write(b"precious" * 512)
        os.fsync(bare.fileno())
    clone = node.volume(
        "clone", size=SIZE, volume_capabilities=[block_capability()], volume_content_source=from_volume(raw)
    ).volume_id
    with node.shown(clone, "copy", block_capability()).open("rb") as bare:
        assert bare.read(8) == b"precious"


def test_a_group_tells_how_long_its_writers_were_held_up(node: NodeOfPods) -> None:
    volumes = [volume(node, name) for name in ("workspace", "data")]
    for number, each in enumerate(volumes):
        write(node.shown(each, f"pod-{number}"))
    request = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=volumes)
    first, told = node.call_with_metadata("CreateVolumeGroupSnapshot", request)
    assert told["rokcsi-consistency"] == "frozen"
    assert 0 < float(told["rokcsi-freeze-window-seconds"]) < 30
    again, repeated = node.call_with_metadata("CreateVolumeGroupSnapshot", request)
    assert (again, repeated) == (first, told)


@pytest.mark.parametrize("where", ["outside", "symlink", "option"])
def test_a_target_outside_the_roots_or_a_bad_option_mounts_nothing(node: NodeOfPods, where: str) -> None:
    made = volume(node, "v")
    node.stage(made)
    outside = node.root.parent.parent / "outside"
    outside.mkdir(exist_ok=True)
    (node.root / "link").symlink_to(outside)
    target = {"outside": outside / "pod", "symlink": node.root / "link" / "pod", "option": node.target("pod")}[where]
    request = csi.NodePublishVolumeRequest(
        volume_id=made,
        staging_target_path=str(node.staging(made)),
        target_path=str(target),
        volume_capability=mount_capability(mount_flags=["suid"] if where == "option" else []),
    )
    before = len(read_mountinfo())
    with pytest.raises(Refused) as refused:
        node.call("NodePublishVolume", request)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert len(read_mountinfo()) == before
    assert not list(outside.iterdir())


def test_stats_are_those_of_the_file_system(node: NodeOfPods) -> None:
    made = volume(node, "v", size=GIB)
    target = node.shown(made, "pod")
    answer = node.call("NodeGetVolumeStats", csi.NodeGetVolumeStatsRequest(volume_id=made, volume_path=str(target)))
    usage = {each.unit: each for each in answer.usage}[csi.VolumeUsage.BYTES]
    assert usage.total == room(target)
    assert 0 < usage.available < usage.total
