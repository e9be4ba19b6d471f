from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rokcsi.csi.status import refusal
from rokcsi.local.csi_calls import Patience
from rokcsi.local.csi_client import CsiClient, VolumeOrder
from rokcsi.local.csi_errors import error_of
from rokcsi.model import errors
from rokcsi.model.sizes import Bytes
from tests.fakes.csi_server import serving
from tests.fakes.local_cluster import LocalWorld

ORDER = VolumeOrder("pvc-1", Bytes(1 << 30), "xfs")


@pytest.fixture
def client(world: LocalWorld) -> Iterator[CsiClient]:
    made = CsiClient(world.socket, patience=Patience(try_seconds=0.3, busy_seconds=2.0, away_seconds=2.0))
    yield made
    made.close()


class Refused(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "because"


FAMILIES = [
    errors.NotFound,
    errors.Conflict,
    errors.InvalidRequest,
    errors.OutOfRange,
    errors.OutOfSpace,
    errors.StillInUse,
    errors.Busy,
    errors.NotSupported,
    errors.NotAllowed,
    errors.Unavailable,
    errors.Damaged,
]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_error_comes_through_the_wire_in_its_family(family: type[errors.RokcsiError]) -> None:
    code = refusal(family("because")).code
    found = error_of(Refused(code))
    assert isinstance(found, family)
    assert str(found) == "because"


@pytest.mark.parametrize(
    "order",
    [VolumeOrder("pvc-1", Bytes(1 << 63), "xfs"), VolumeOrder("\udcff", Bytes(1), "xfs")],
    ids=["a size beyond int64", "a name that is no UTF-8"],
)
def test_what_no_message_can_carry_is_an_invalid_request(client: CsiClient, order: VolumeOrder) -> None:
    with pytest.raises(errors.InvalidRequest, match="cannot be asked"):
        client.create_volume(order)


def test_a_call_that_takes_too_long_is_repeated(world: LocalWorld, client: CsiClient) -> None:
    world.driver.slow["CreateVolume"] = 0.5
    threading.Timer(0.6, world.driver.slow.clear).start()
    assert client.create_volume(ORDER).handle in world.driver.volumes
    assert len(world.driver.volumes) == 1


def test_a_driver_that_restarts_is_waited_for(world: LocalWorld) -> None:
    socket = world.folder / "second.sock"
    client = CsiClient(socket, patience=Patience(away_seconds=10.0))
    assert not client.is_ready()
    made: list[str] = []
    caller = threading.Thread(target=lambda: made.append(client.create_volume(ORDER).handle))
    caller.start()
    time.sleep(0.3)
    with serving(world.driver, socket):
        caller.join(timeout=20)
    assert len(made) == 1
    client.close()


def test_no_driver_at_all_is_told_soon(tmp_path: Path) -> None:
    client = CsiClient(tmp_path / "none.sock", how_to_start="make driver", patience=Patience(away_seconds=0.2))
    with pytest.raises(errors.DriverAway, match="start it with: make driver"):
        client.delete_volume("v-1")
    client.close()


def test_a_final_answer_is_not_asked_for_again(world: LocalWorld, client: CsiClient) -> None:
    world.driver.refuse("CreateVolume", grpc.StatusCode.INVALID_ARGUMENT, "no")
    with pytest.raises(errors.InvalidRequest, match="no"):
        client.create_volume(ORDER)
    assert world.driver.methods() == ["CreateVolume"]


def test_a_group_is_found_by_its_handle(client: CsiClient) -> None:
    volume = client.create_volume(ORDER)
    cut = client.cut("g", [volume.handle], {})
    assert client.group(cut.handle).members == cut.members
    with pytest.raises(errors.GroupNotFound):
        client.group("g-none")


def test_unmounting_a_volume_that_is_gone_is_no_error(world: LocalWorld, client: CsiClient) -> None:
    world.driver.refuse("NodeUnpublishVolume", grpc.StatusCode.NOT_FOUND)
    world.driver.refuse("NodeUnstageVolume", grpc.StatusCode.NOT_FOUND)
    client.unpublish("v-gone", world.folder / "x")
    client.unstage("v-gone", world.folder / "y")
