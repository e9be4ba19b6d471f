"""What a node says of itself, and what is made of what a stranger says."""

from __future__ import annotations

import pytest

from rokcsi.csi.announcement import Announcement, NotAnnounced, manifest_of, read_announcement
from rokcsi.csi.driver import DRIVER_NAME, DriverIdentity
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.model.ids import PoolId
from tests.fakes.csi_driver import CsiDriver

NODE = DriverIdentity("1.2.3", "worker-1", topology_key="topology.example.com/node")
POOL = PoolId.fresh()


def told(name: str = DRIVER_NAME, **manifest: str) -> csi.GetPluginInfoResponse:
    keys = {key.replace("_", "-"): value for key, value in manifest.items()}
    return csi.GetPluginInfoResponse(
        name=name, vendor_version="1.2.3", manifest={f"rokcsi.dev/{key}": value for key, value in keys.items()}
    )


def test_what_a_node_announces_reads_back_as_itself() -> None:
    info = csi.GetPluginInfoResponse(name=DRIVER_NAME, vendor_version="1.2.3", manifest=manifest_of(NODE, POOL))
    assert read_announcement(info, DRIVER_NAME) == Announcement(POOL, NODE)


def test_every_driver_announces_its_pool(driver: CsiDriver) -> None:
    info = driver.call("GetPluginInfo", csi.GetPluginInfoRequest())
    assert read_announcement(info, DRIVER_NAME).pool == driver.pool.id


@pytest.mark.parametrize(
    "info",
    [
        told(name="another.example.com", pool=POOL, node="a"),
        told(),
        told(pool="x", node="a"),
        told(pool=POOL.upper(), node="a"),
        told(pool=POOL),
        told(pool=POOL, node="x" * 193),
        told(pool=POOL, node="a", topology_key="no key"),
    ],
)
def test_a_stranger_is_no_node(info: csi.GetPluginInfoResponse) -> None:
    with pytest.raises(NotAnnounced):
        read_announcement(info, DRIVER_NAME)
