"""What requests mean in the words of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.csi.parameters import (
    BLOCK_SIZE,
    COMPRESSION,
    DELETION_POLICY,
    FLAGS_OF_GROUPS,
    FLAGS_OF_SNAPSHOTS,
    FLAGS_OF_VOLUMES,
    METADATA,
    SNAPSHOT_CHECKS,
    VOLUME_CHECKS,
)
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.requests import capacity_request, group_request, snapshot_request, volume_request
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import CapacityRequest, Verification
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.volume import Tuning
from tests.fakes.csi_caller import GIB, block_capability, create_request, from_snapshot, from_volume, mount_capability


@pytest.mark.parametrize("flag", VOLUME_CHECKS)
@pytest.mark.parametrize(("value", "expected"), [("true", Verification.CHECK), ("false", Verification.NONE)])
def test_each_check_of_a_storage_class_checks_the_clone(flag: str, value: str, expected: Verification) -> None:
    assert volume_request(create_request(parameters={flag: value})).verify_clone is expected


@pytest.mark.parametrize("flag", SNAPSHOT_CHECKS)
def test_each_check_of_a_snapshot_class_checks_the_snapshot(flag: str) -> None:
    alone = csi.CreateSnapshotRequest(name="s", source_volume_id="v", parameters={flag: "true"})
    group = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=["v"], parameters={flag: "true"})
    assert snapshot_request(alone).verify is Verification.CHECK
    assert group_request(group).verify is Verification.CHECK


def test_waiting_for_hydration_is_accepted_and_means_nothing() -> None:
    asked = volume_request(create_request(parameters={"rok/wait-for-hydration": "true"}))
    assert asked == volume_request(create_request())


def test_a_class_may_say_how_its_volumes_are_kept() -> None:
    asked = volume_request(create_request(parameters={"blockSize": "64Ki", "compression": "zstd-3"}))
    assert asked.tuning == Tuning(Bytes(65536), "zstd-3")
    assert volume_request(create_request()).tuning == Tuning()


def test_a_class_may_say_what_a_volume_can_be_told_later_and_the_later_word_counts() -> None:
    steps, none = {"checkpoint-policy": "steps"}, {"checkpoint-policy": "none"}
    assert volume_request(create_request(parameters=steps)).mutable == steps
    assert volume_request(create_request(parameters=steps, mutable_parameters=none)).mutable == none
    with pytest.raises(InvalidRequest, match="checkpoint-policy"):
        snapshot_request(csi.CreateSnapshotRequest(name="s", source_volume_id="v", parameters=steps))


@pytest.mark.parametrize(("key", "value"), [("blockSize", "big"), ("blockSize", "-1"), ("compression", "-o x=y")])
def test_a_way_of_keeping_volumes_that_makes_no_sense_is_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidRequest):
        volume_request(create_request(parameters={key: value}))


def test_a_deletion_policy_among_the_parameters_of_snapshots_is_the_snapshotters_business() -> None:
    given = {"deletionPolicy": "Retain"}
    alone = csi.CreateSnapshotRequest(name="s", source_volume_id="v")
    group = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=["v"])
    assert snapshot_request(csi.CreateSnapshotRequest(name="s", source_volume_id="v", parameters=given)) == (
        snapshot_request(alone)
    )
    asked = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=["v"], parameters=given)
    assert group_request(asked) == group_request(group)
    with pytest.raises(InvalidRequest, match="deletionPolicy"):
        volume_request(create_request(parameters=given))


def test_how_volumes_are_kept_is_no_parameter_of_snapshots() -> None:
    with pytest.raises(InvalidRequest, match="blockSize"):
        snapshot_request(csi.CreateSnapshotRequest(name="s", source_volume_id="v", parameters={"blockSize": "64Ki"}))


def test_a_group_may_be_unaligned_when_its_class_says_so() -> None:
    request = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=["v", "w"])
    assert not group_request(request).allow_unaligned
    request.parameters["allowUnalignedGroup"] = "true"
    assert group_request(request).allow_unaligned
    assert group_request(request).volumes == ("v", "w")


def test_the_sidecars_metadata_are_labels_of_volumes_snapshots_and_groups() -> None:
    told = dict.fromkeys(METADATA, "x")
    alone = csi.CreateSnapshotRequest(name="s", source_volume_id="v", parameters=told)
    group = csi.CreateVolumeGroupSnapshotRequest(name="g", source_volume_ids=["v"], parameters=told)
    asked = (volume_request(create_request(parameters=told)), snapshot_request(alone), group_request(group))
    assert all(dict(request.labels) == told for request in asked)


@pytest.mark.parametrize(
    ("capability", "parameters", "expected"),
    [
        (mount_capability(), {}, ""),
        (mount_capability(fs_type="ext4"), {}, "ext4"),
        (mount_capability(), {"csi.storage.k8s.io/fstype": "ext4"}, "ext4"),
        (mount_capability(fs_type="xfs"), {"csi.storage.k8s.io/fstype": "ext4"}, "xfs"),
        (block_capability(), {"csi.storage.k8s.io/fstype": "ext4"}, None),
    ],
)
def test_the_file_system_is_the_capabilitys_then_the_classs(
    capability: csi.VolumeCapability, parameters: dict[str, str], expected: str | None
) -> None:
    request = create_request(volume_capabilities=[capability], parameters=parameters)
    assert volume_request(request).filesystem == expected


def test_sources_and_sizes_are_passed_on() -> None:
    clone = volume_request(create_request(size=GIB, limit=2 * GIB, volume_content_source=from_snapshot("s")))
    assert (clone.from_snapshot, clone.from_volume) == ("s", None)
    assert clone.size == SizeRange(Bytes(GIB), Bytes(2 * GIB))
    copy = volume_request(create_request(size=0, volume_content_source=from_volume("v")))
    assert (copy.from_snapshot, copy.from_volume, copy.size) == (None, "v", SizeRange())


def test_capacity_is_asked_for_the_kind_of_volume() -> None:
    raw = csi.GetCapacityRequest(volume_capabilities=[block_capability()])
    assert capacity_request(raw) == CapacityRequest(filesystem=None)
    assert capacity_request(csi.GetCapacityRequest()) == CapacityRequest(filesystem="")


def test_capacity_is_told_for_a_class_that_names_secrets() -> None:
    keys = [
        f"csi.storage.k8s.io/{deed}-secret-{part}"
        for deed in ("node-stage", "provisioner")
        for part in ("name", "namespace")
    ]
    assert capacity_request(csi.GetCapacityRequest(parameters=dict.fromkeys(keys, "key"))).filesystem == ""
    for wrong in ("csi.storage.k8s.io/secret", "node-stage-secret-name"):
        with pytest.raises(InvalidRequest, match="unknown parameter"):
            capacity_request(csi.GetCapacityRequest(parameters={wrong: "key"}))


def test_every_parameter_is_in_the_reference() -> None:
    text = Path("docs/reference/csi.md").read_text()
    known = (
        FLAGS_OF_VOLUMES | FLAGS_OF_SNAPSHOTS | FLAGS_OF_GROUPS | METADATA | {BLOCK_SIZE, COMPRESSION, DELETION_POLICY}
    )
    assert not {parameter for parameter in known if f"`{parameter}`" not in text}
