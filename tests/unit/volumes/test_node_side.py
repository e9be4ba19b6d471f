"""What a node knows of who uses a volume: asked before one goes, and when the driver starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import StillInUse, VolumeNotFound
from rokcsi.model.provisioner import VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.locks import KeyedLocks
from rokcsi.volumes.naming import transient_name
from rokcsi.volumes.provisioning import PoolProvisioner
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import MIB, RAW, NodeHouse
from tests.fakes.scripted_checker import ScriptedChecker


@pytest.fixture
def mounter() -> MemoryMounter:
    return MemoryMounter()


@pytest.fixture
def house(tmp_path: Path, mounter: MemoryMounter) -> NodeHouse:
    (tmp_path / "kubelet").mkdir()
    (tmp_path / "pool").mkdir()
    return NodeHouse(MemoryPool(tmp_path / "pool"), mounter, tmp_path / "kubelet", tmp_path / "records")


def provisioner(house: NodeHouse) -> PoolProvisioner:
    return PoolProvisioner(house.pool, ScriptedChecker(), KeyedLocks(), house.node)


@pytest.mark.parametrize("lost", [False, True])
def test_a_raw_volume_goes_only_when_no_pod_has_it(house: NodeHouse, *, lost: bool) -> None:
    volume = house.volume("raw", None, 16 * MIB)
    house.stage(volume, access=RAW)
    house.publish(volume, access=RAW)
    if lost:
        for record in house.records.iterdir():
            record.unlink()
        house.restart()
    with pytest.raises(StillInUse, match=r"unpublish|unstage"):
        provisioner(house).remove_volume(volume)
    if lost:
        with pytest.raises(StillInUse, match="unpublish"):
            house.unstage(volume)
    assert house.pool.attached(house.id_of(volume)) is not None
    house.unpublish(volume)
    house.unstage(volume)
    provisioner(house).remove_volume(volume)
    assert not house.pool.volumes()


def test_a_staged_volume_is_not_deleted_and_the_message_says_where_it_is(house: NodeHouse) -> None:
    volume = house.volume()
    house.stage(volume)
    with pytest.raises(StillInUse, match=f"staged at {house.at('staging')}; unstage"):
        provisioner(house).remove_volume(volume)
    house.unstage(volume)
    provisioner(house).remove_volume(volume)


def test_a_raw_record_whose_device_is_gone_keeps_nobody_from_deleting(house: NodeHouse) -> None:
    volume = house.volume("raw", None, 16 * MIB)
    house.stage(volume, access=RAW)
    house.pool.detach(house.id_of(volume))
    provisioner(house).remove_volume(volume)
    house.restart()
    assert house.recorded() == 0


def test_the_record_of_a_mount_that_another_namespace_has_stays(
    house: NodeHouse, mounter: MemoryMounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    mounter.forget(house.at("staging"))
    mounter.forget(house.at("pod/mount"))
    # A fake has one namespace only: the device is claimed by what cannot be seen here.
    monkeypatch.setattr(MemoryMounter, "holder", lambda *_: "it is mounted")
    house.restart()
    assert house.recorded() == 2
    monkeypatch.setattr(MemoryMounter, "holder", lambda *_: None)
    house.restart()
    assert house.recorded() == 0


def test_a_record_goes_where_the_volumes_other_mounts_are_seen(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    mounter.forget(house.at("pod/mount"))
    house.restart()
    assert house.recorded() == 1


def test_a_volume_made_on_the_way_to_another_is_nobodys(house: NodeHouse) -> None:
    name = transient_name("check of", house.id_of(house.volume("a")))
    hidden = house.volume(name)
    asked = provisioner(house)
    for ask in (
        lambda: house.stage(hidden),
        lambda: house.publish(hidden),
        lambda: house.unpublish(hidden),
        lambda: house.unstage(hidden),
        lambda: house.node.stats(hidden, house.at("staging")),
        lambda: house.node.expand(hidden, house.at("staging"), SizeRange()),
        lambda: asked.volume(hidden),
        lambda: asked.expand(hidden, SizeRange(Bytes(1 << 40))),
        lambda: asked.modify(hidden, {"checkpoint-policy": "steps"}),
        lambda: asked.provision(VolumeRequest("copy", SizeRange(), "xfs", from_volume=hidden)),
    ):
        with pytest.raises(VolumeNotFound):
            ask()
