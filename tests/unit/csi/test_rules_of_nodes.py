"""What the Node service says and asks, by the tables of CSI's spec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from rokcsi.csi.driver import DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from tests.fakes.csi_caller import GIB, Refused, block_capability, mount_capability
from tests.fakes.csi_driver import NODE, CsiDriver, csi_driver

Code = grpc.StatusCode
ONE_TARGET = ("SINGLE_NODE_WRITER", "SINGLE_NODE_SINGLE_WRITER", "SINGLE_NODE_READER_ONLY")
MANY_TARGETS = (
    "SINGLE_NODE_MULTI_WRITER",
    "MULTI_NODE_READER_ONLY",
    "MULTI_NODE_SINGLE_WRITER",
    "MULTI_NODE_MULTI_WRITER",
)


def stage(driver: CsiDriver, volume: str, capability: csi.VolumeCapability) -> None:
    request = csi.NodeStageVolumeRequest(volume_id=volume, staging_target_path="/s/v", volume_capability=capability)
    driver.call("NodeStageVolume", request)


def publish(
    driver: CsiDriver, volume: str, capability: csi.VolumeCapability, target: str = "/t/1", **fields: Any
) -> None:
    request = csi.NodePublishVolumeRequest(
        volume_id=volume, staging_target_path="/s/v", target_path=target, volume_capability=capability, **fields
    )
    driver.call("NodePublishVolume", request)


@pytest.mark.parametrize("mode", [*ONE_TARGET, *MANY_TARGETS])
def test_a_second_target_path_is_welcome_as_the_access_mode_says(driver: CsiDriver, mode: str) -> None:
    volume, capability = driver.volume().volume_id, mount_capability(mode)
    stage(driver, volume, capability)
    for _ in range(2):
        publish(driver, volume, capability)
    if mode in MANY_TARGETS:
        publish(driver, volume, capability, "/t/2")
        assert len(driver.node.published) == 2
        return
    with pytest.raises(Refused) as refused:
        publish(driver, volume, capability, "/t/2")
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert list(driver.node.published) == [Path("/t/1")]


def test_the_same_target_with_other_arguments_is_a_conflict(driver: CsiDriver) -> None:
    volume, capability = driver.volume().volume_id, mount_capability("SINGLE_NODE_MULTI_WRITER")
    stage(driver, volume, capability)
    publish(driver, volume, capability)
    with pytest.raises(Refused) as refused:
        publish(driver, volume, capability, readonly=True)
    assert refused.value.code is Code.ALREADY_EXISTS


def test_a_publish_before_any_stage_is_a_failed_precondition(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    with pytest.raises(Refused) as refused:
        publish(driver, volume, mount_capability())
    assert refused.value.code is Code.FAILED_PRECONDITION


def test_the_readers_modes_and_the_readonly_flag_make_a_publish_read_only(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    for target, mode, flag, expected in (
        ("/t/1", "MULTI_NODE_MULTI_WRITER", False, False),
        ("/t/2", "MULTI_NODE_MULTI_WRITER", True, True),
        ("/t/3", "MULTI_NODE_READER_ONLY", False, True),
    ):
        driver.node.staged.clear()
        stage(driver, volume, mount_capability(mode))
        publish(driver, volume, mount_capability(mode), target, readonly=flag)
        assert driver.node.published[Path(target)].readonly is expected


def test_the_node_is_told_what_the_capability_says(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    stage(driver, volume, mount_capability(fs_type="xfs", mount_flags=["noatime"]))
    asked: Any = driver.node.asked[-1]
    assert (asked.access.block, asked.access.filesystem, asked.access.options) == (False, "xfs", ("noatime",))
    raw = driver.volume("raw", volume_capabilities=[block_capability()]).volume_id
    stage(driver, raw, block_capability())
    asked = driver.node.asked[-1]
    assert (asked.access.block, asked.access.filesystem) == (True, None)


def test_undoing_twice_is_fine(driver: CsiDriver) -> None:
    volume = driver.volume().volume_id
    for _ in range(2):
        driver.call("NodeUnpublishVolume", csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path="/t/1"))
        driver.call("NodeUnstageVolume", csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path="/s/v"))


def test_stats_tell_bytes_and_inodes(driver: CsiDriver) -> None:
    volume, capability = driver.volume().volume_id, mount_capability()
    stage(driver, volume, capability)
    publish(driver, volume, capability)
    answer = driver.call("NodeGetVolumeStats", csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path="/t/1"))
    units = {usage.unit: usage for usage in answer.usage}
    assert (
        units[csi.VolumeUsage.BYTES].total == units[csi.VolumeUsage.BYTES].used + units[csi.VolumeUsage.BYTES].available
    )
    assert units[csi.VolumeUsage.INODES].total == 64
    elsewhere = csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path="/t/2")
    with pytest.raises(Refused) as refused:
        driver.call("NodeGetVolumeStats", elsewhere)
    assert refused.value.code is Code.NOT_FOUND


def test_growing_on_the_node_gives_the_volumes_size(driver: CsiDriver) -> None:
    volume = driver.volume(size=2 * GIB).volume_id
    request = csi.NodeExpandVolumeRequest(volume_id=volume, volume_path="/t/1")
    assert driver.call("NodeExpandVolume", request).capacity_bytes == 2 * GIB


def test_the_node_tells_its_name_and_place(driver: CsiDriver) -> None:
    told = driver.call("NodeGetInfo", csi.NodeGetInfoRequest())
    assert (told.node_id, told.max_volumes_per_node) == (NODE, 0)
    assert dict(told.accessible_topology.segments) == {"topology.rokcsi.dev/node": NODE}


def test_the_drivers_name_key_and_limit_are_settings(folder: Path) -> None:
    identity = DriverIdentity(version="1", node_id=NODE, name="rok.example.com", max_volumes_per_node=7)
    with csi_driver(folder, identity=identity) as other:
        assert other.call("GetPluginInfo", csi.GetPluginInfoRequest()).name == "rok.example.com"
        told = other.call("NodeGetInfo", csi.NodeGetInfoRequest())
        assert told.max_volumes_per_node == 7
        assert dict(told.accessible_topology.segments) == {"topology.rok.example.com/node": NODE}
    named = replace(identity, topology_key="kubernetes.io/hostname")
    assert dict(named.segments) == {"kubernetes.io/hostname": NODE}


def test_a_driver_that_is_not_ready_says_so_without_an_error(folder: Path) -> None:
    with csi_driver(folder, ready=False) as starting:
        assert starting.call("Probe", csi.ProbeRequest()).ready.value is False
