"""Labels that go beside CSI's calls: kept with the snapshots, told again, and refused where they are wrong."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.said import LABELS
from tests.fakes.csi_caller import Refused
from tests.fakes.csi_driver import CsiDriver

Code = grpc.StatusCode


@pytest.fixture
def volumes(driver: CsiDriver) -> list[str]:
    return [driver.volume(name).volume_id for name in ("workspace", "data")]


def cut(driver: CsiDriver, volumes: list[str], said: Any, name: str = "g") -> csi.VolumeGroupSnapshot:
    request = csi.CreateVolumeGroupSnapshotRequest(name=name, source_volume_ids=volumes)
    sent = said if isinstance(said, bytes) else json.dumps(said).encode()
    answer = driver.call_with_metadata("CreateVolumeGroupSnapshot", request, metadata=((LABELS, sent),))[0]
    found: csi.VolumeGroupSnapshot = answer.group_snapshot
    return found


def told(driver: CsiDriver, snapshot: str) -> dict[str, str]:
    _, trailing = driver.call_with_metadata("GetSnapshot", csi.GetSnapshotRequest(snapshot_id=snapshot))
    found: dict[str, str] = json.loads(trailing.get(LABELS, "{}"))
    return found


def test_what_is_said_of_a_group_is_told_with_each_of_its_snapshots(driver: CsiDriver, volumes: list[str]) -> None:
    said = {"all": {"rok/title": "ünïted"}, "volumes": {volumes[0]: {"rok/member": "first"}}}
    group = cut(driver, volumes, said)
    found = {member.source_volume_id: told(driver, member.snapshot_id) for member in group.snapshots}
    assert found == {
        volumes[0]: {"rok/member": "first", "rok/title": "ünïted"},
        volumes[1]: {"rok/title": "ünïted"},
    }


def test_a_repeated_cut_keeps_what_was_said_first(driver: CsiDriver, volumes: list[str]) -> None:
    group = cut(driver, volumes, {"all": {"rok/title": "first"}, "volumes": {}})
    assert cut(driver, volumes, {"all": {"rok/title": "second"}, "volumes": {}}) == group
    assert told(driver, group.snapshots[0].snapshot_id) == {"rok/title": "first"}


def test_what_does_not_fit_is_left_out_and_the_cut_is_made(driver: CsiDriver, volumes: list[str]) -> None:
    said = {"all": {"rok/a": "1", "rok/b": "x" * driver.pool.traits.label_bytes, "rok/c": "3"}, "volumes": {}}
    group = cut(driver, volumes, said)
    assert told(driver, group.snapshots[0].snapshot_id) == {"rok/a": "1", "rok/c": "3"}


def test_the_labels_of_many_volumes_fit_beside_a_call(driver: CsiDriver) -> None:
    volumes = [driver.volume(f"v{number}").volume_id for number in range(100)]
    group = cut(driver, volumes, {"all": {}, "volumes": {volume: {"rok/member": "m" * 400} for volume in volumes}})
    assert told(driver, group.snapshots[99].snapshot_id) == {"rok/member": "m" * 400}


def test_nothing_is_told_where_nothing_was_said(driver: CsiDriver, volumes: list[str]) -> None:
    assert told(driver, driver.snapshot(volumes[0]).snapshot_id) == {}
    assert told(driver, driver.group(volumes).snapshots[0].snapshot_id) == {}


def test_a_class_s_parameters_cannot_say_what_metadata_says(driver: CsiDriver, volumes: list[str]) -> None:
    request = csi.CreateVolumeGroupSnapshotRequest(
        name="g", source_volume_ids=volumes, parameters={"rok/version": "8f14e45f-ceea-467a-9575-2f2c41b9e0d1"}
    )
    with pytest.raises(Refused) as refused:
        driver.call("CreateVolumeGroupSnapshot", request)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[" * 5000,
        [],
        {},
        {"all": {}},
        {"all": [], "volumes": {}},
        {"all": {"rok/a": 5}, "volumes": {}},
        {"all": {"verification": "passed"}, "volumes": {}},
        {"all": {"csi.storage.k8s.io/pvc/name": "x"}, "volumes": {}},
        {"all": {"rok/A b": "x"}, "volumes": {}},
        {"all": {"rok/a": "\ud800"}, "volumes": {}},
        {"all": {}, "volumes": {"v-other": {}}},
        {"all": {}, "volumes": []},
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_cut(driver: CsiDriver, volumes: list[str], said: Any) -> None:
    before = driver.everything()
    with pytest.raises(Refused, match=LABELS) as refused:
        cut(driver, volumes, said)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert driver.everything() == before
