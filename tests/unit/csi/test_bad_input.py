"""Every field of every request with everything that can be wrong with it: the right status, a message, nothing made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from tests.fakes.bad_input import FOREIGN, INVALID, Leaf, Wrong, leaves, with_value, wrong_values
from tests.fakes.csi_caller import (
    GIB,
    Refused,
    block_capability,
    create_request,
    from_snapshot,
    from_volume,
    mount_capability,
)
from tests.fakes.csi_driver import CsiDriver, csi_driver

CASES = [(leaf, wrong) for leaf in leaves() for wrong in wrong_values(leaf)]
STAGING, TARGET = "/var/lib/rokcsi-test/staging", "/var/lib/rokcsi-test/target"


@pytest.fixture
def world(folder: Path) -> Iterator[CsiDriver]:
    """A driver with a volume staged and published, a snapshot and a group."""
    with csi_driver(folder) as driver:
        volume = driver.volume("there").volume_id
        driver.snapshot(volume, "there")
        driver.group([volume], "there")
        driver.call("NodeStageVolume", good_requests(driver)["NodeStageVolume"])
        driver.call("NodePublishVolume", good_requests(driver)["NodePublishVolume"])
        yield driver


def good_requests(driver: CsiDriver) -> Mapping[str, Any]:
    """Give a request for each method that changes nothing which is there already."""
    handles = driver.provisioner.handles
    volume = handles.of_volume(driver.pool.volumes()[0].id)
    group = next((each.group for each in driver.pool.snapshots() if each.group), None)
    group_id = handles.of_group(group.id) if group else ""
    members = [handles.of_snapshot(each.id) for each in driver.pool.snapshots() if each.group]
    alone = next((handles.of_snapshot(each.id) for each in driver.pool.snapshots() if not each.group), "")
    room, capability = csi.CapacityRange(required_bytes=GIB), mount_capability("SINGLE_NODE_MULTI_WRITER")
    return {
        "CreateVolume": create_request("new"),
        "DeleteVolume": csi.DeleteVolumeRequest(volume_id=volume),
        "ValidateVolumeCapabilities": csi.ValidateVolumeCapabilitiesRequest(
            volume_id=volume, volume_capabilities=[capability]
        ),
        "ControllerExpandVolume": csi.ControllerExpandVolumeRequest(volume_id=volume, capacity_range=room),
        "ControllerGetVolume": csi.ControllerGetVolumeRequest(volume_id=volume),
        "ControllerModifyVolume": csi.ControllerModifyVolumeRequest(volume_id=volume),
        "CreateSnapshot": csi.CreateSnapshotRequest(name="new", source_volume_id=volume),
        "DeleteSnapshot": csi.DeleteSnapshotRequest(snapshot_id=alone),
        "GetSnapshot": csi.GetSnapshotRequest(snapshot_id=alone),
        "CreateVolumeGroupSnapshot": csi.CreateVolumeGroupSnapshotRequest(name="new", source_volume_ids=[volume]),
        "DeleteVolumeGroupSnapshot": csi.DeleteVolumeGroupSnapshotRequest(
            group_snapshot_id=group_id, snapshot_ids=members
        ),
        "GetVolumeGroupSnapshot": csi.GetVolumeGroupSnapshotRequest(group_snapshot_id=group_id, snapshot_ids=members),
        "NodeStageVolume": csi.NodeStageVolumeRequest(
            volume_id=volume, staging_target_path=STAGING, volume_capability=capability
        ),
        "NodeUnstageVolume": csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=STAGING),
        "NodePublishVolume": csi.NodePublishVolumeRequest(
            volume_id=volume, staging_target_path=STAGING, target_path=TARGET, volume_capability=capability
        ),
        "NodeUnpublishVolume": csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=TARGET),
        "NodeGetVolumeStats": csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path=TARGET),
        "NodeExpandVolume": csi.NodeExpandVolumeRequest(
            volume_id=volume, volume_path=TARGET, volume_capability=capability
        ),
    }


def good_request(driver: CsiDriver, leaf: Leaf) -> Any:
    """Give a good request that has what the field lies in."""
    request = good_requests(driver).get(leaf.method, getattr(csi, f"{leaf.method}Request")())
    if "mount" in leaf.path or "access_mode" in leaf.path:
        field = leaf.path[0]
        capability = mount_capability("SINGLE_NODE_MULTI_WRITER")
        getattr(request, field).MergeFrom([capability] if field.endswith("ies") else capability)
        if field.endswith("ies"):
            del getattr(request, field)[1:]
    return request


@pytest.mark.parametrize(("leaf", "wrong"), CASES, ids=lambda value: ascii(str(getattr(value, "value", value)))[1:49])
def test_each_field_refuses_what_is_wrong_and_changes_nothing(world: CsiDriver, leaf: Leaf, wrong: Wrong) -> None:
    request = with_value(good_request(world, leaf), leaf.path, wrong.value)
    before = world.everything()
    refused = refusal(world, leaf.method, request)
    if refused is None:
        assert "OK" in wrong.codes
        return
    assert refused.code.name in wrong.codes, refused
    assert len(refused.message) > 10
    assert world.everything() == before


def refusal(world: CsiDriver, method: str, request: Any) -> Refused | None:
    """Give how a call was refused; None when it was not."""
    try:
        world.call(method, request)
    except Refused as refused:
        return refused
    return None


def test_a_text_that_is_not_unicode_is_an_invalid_argument(driver: CsiDriver) -> None:
    channel: Any = driver.channel
    call = channel.unary_unary("/csi.v1.Controller/CreateVolume")
    with pytest.raises(Exception, match="UTF-8") as refused:
        call(b"\x0a\x02\xff\xfe", timeout=10)
    told: Any = refused.value
    assert told.code().name == INVALID


@pytest.mark.parametrize("method", ["NodeStageVolume", "NodePublishVolume"])
def test_a_node_call_without_a_capability_is_refused(world: CsiDriver, method: str) -> None:
    request = good_requests(world)[method]
    request.ClearField("volume_capability")
    with pytest.raises(Refused, match="volume_capability is missing"):
        world.call(method, request)


@pytest.mark.parametrize(
    ("capabilities", "words"),
    [
        ([], "volume_capabilities is empty"),
        ([csi.VolumeCapability()], "neither block nor mount"),
        ([csi.VolumeCapability(mount=csi.VolumeCapability.MountVolume())], "access_mode is missing"),
        ([mount_capability(), block_capability()], "choose one"),
        ([mount_capability(fs_type="xfs"), mount_capability(fs_type="ext4")], "several file systems"),
    ],
)
def test_capabilities_that_contradict_each_other_are_refused(
    driver: CsiDriver, capabilities: list[csi.VolumeCapability], words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        driver.volume(volume_capabilities=capabilities)
    assert refused.value.code.name == INVALID
    assert not driver.pool.volumes()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (csi.VolumeContentSource(), INVALID),
        (from_snapshot(""), INVALID),
        (from_volume(""), INVALID),
        (from_snapshot("x" * 129), INVALID),
        (from_snapshot("s"), "NOT_FOUND"),
        (from_snapshot(f"s-{FOREIGN}-{FOREIGN}"), "NOT_FOUND"),
        (from_snapshot(f"v-{FOREIGN}-{FOREIGN}"), "NOT_FOUND"),
        (from_volume("../v"), "NOT_FOUND"),
    ],
)
def test_a_source_that_is_wrong_makes_no_volume(driver: CsiDriver, source: csi.VolumeContentSource, code: str) -> None:
    with pytest.raises(Refused) as refused:
        driver.volume(volume_content_source=source)
    assert refused.value.code.name == code
    assert not driver.pool.volumes()


def test_a_required_size_above_the_limit_is_refused(driver: CsiDriver) -> None:
    with pytest.raises(Refused, match="limit") as refused:
        driver.volume(size=2 * GIB, limit=GIB)
    assert refused.value.code.name == INVALID


def test_an_expansion_without_a_size_is_refused(world: CsiDriver) -> None:
    for capacity in (None, csi.CapacityRange()):
        request = csi.ControllerExpandVolumeRequest(
            volume_id=world.provisioner.handles.of_volume(world.pool.volumes()[0].id), capacity_range=capacity
        )
        with pytest.raises(Refused, match="capacity_range is empty"):
            world.call("ControllerExpandVolume", request)


def test_a_forged_volume_context_changes_nothing(world: CsiDriver) -> None:
    forged = {"path": "/etc", "device": "/dev/sda", "filesystem": "ext4", "csi.storage.k8s.io/ephemeral": "true"}
    request = good_requests(world)["NodePublishVolume"]
    request.volume_context.update(forged)
    world.call("NodePublishVolume", request)
    assert world.node.asked[-1] == world.node.asked[-2]


def test_of_a_volume_context_only_the_pods_name_is_read(world: CsiDriver) -> None:
    request = good_requests(world)["NodePublishVolume"]
    request.target_path = f"{TARGET}-2"
    told = {f"csi.storage.k8s.io/pod.{fact}": fact.upper() for fact in ("name", "namespace", "uid")}
    request.volume_context.update({**told, "csi.storage.k8s.io/serviceAccount.tokens": "secret"})
    world.call("NodePublishVolume", request)
    assert dict(world.node.published[Path(f"{TARGET}-2")].pod) == told


def test_a_target_within_the_staging_path_is_refused(world: CsiDriver) -> None:
    for target in (STAGING, f"{STAGING}/pod", "/var/lib"):
        request = good_requests(world)["NodePublishVolume"]
        request.target_path = target
        with pytest.raises(Refused, match="lie in each other"):
            world.call("NodePublishVolume", request)
