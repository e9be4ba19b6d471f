"""Nothing of CSI is forgotten: every method is served or left out on purpose, and the capabilities say the same."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from rokcsi.csi import offered
from rokcsi.csi.controller import ControllerService
from rokcsi.csi.group_controller import GroupControllerService
from rokcsi.csi.identity import IdentityService
from rokcsi.csi.node import NodeService
from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.proto import csi_pb2_grpc
from tests.fakes.bad_input import NOT_OFFERED, leaves, wrong_values
from tests.fakes.csi_caller import Refused
from tests.fakes.csi_driver import CsiDriver

SERVICES: dict[str, type] = {
    "Identity": IdentityService,
    "Controller": ControllerService,
    "GroupController": GroupControllerService,
    "Node": NodeService,
}
LEFT_OUT = {"SnapshotMetadata"}
METHODS = [
    (service, method.name) for service in SERVICES for method in csi.DESCRIPTOR.services_by_name[service].methods
]
# Which capability promises which methods (spec.md, each method's first sentence).
PROMISED = {
    "CREATE_DELETE_VOLUME": {"CreateVolume", "DeleteVolume"},
    "LIST_VOLUMES": {"ListVolumes"},
    "GET_CAPACITY": {"GetCapacity"},
    "CREATE_DELETE_SNAPSHOT": {"CreateSnapshot", "DeleteSnapshot"},
    "LIST_SNAPSHOTS": {"ListSnapshots"},
    "GET_SNAPSHOT": {"GetSnapshot"},
    "CLONE_VOLUME": {"CreateVolume"},
    "EXPAND_VOLUME": {"ControllerExpandVolume", "NodeExpandVolume"},
    "GET_VOLUME": {"ControllerGetVolume"},
    "SINGLE_NODE_MULTI_WRITER": {"NodePublishVolume"},
    "MODIFY_VOLUME": {"ControllerModifyVolume"},
    "PUBLISH_UNPUBLISH_VOLUME": {"ControllerPublishVolume", "ControllerUnpublishVolume"},
    "STAGE_UNSTAGE_VOLUME": {"NodeStageVolume", "NodeUnstageVolume"},
    "GET_VOLUME_STATS": {"NodeGetVolumeStats"},
    "CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT": {
        "CreateVolumeGroupSnapshot",
        "DeleteVolumeGroupSnapshot",
        "GetVolumeGroupSnapshot",
    },
}
ALWAYS = {
    "GetPluginInfo",
    "GetPluginCapabilities",
    "Probe",
    "ValidateVolumeCapabilities",
    "ControllerGetCapabilities",
    "GroupControllerGetCapabilities",
    "NodePublishVolume",
    "NodeUnpublishVolume",
    "NodeGetCapabilities",
    "NodeGetInfo",
}


def test_every_service_of_csi_is_served_or_left_out_on_purpose() -> None:
    assert set(csi.DESCRIPTOR.services_by_name) == set(SERVICES) | LEFT_OUT


@pytest.mark.parametrize(("service", "method"), METHODS)
def test_every_method_is_written_by_us(service: str, method: str) -> None:
    ours, generated = SERVICES[service], getattr(csi_pb2_grpc, f"{service}Servicer")
    assert getattr(ours, method) is not getattr(generated, method)


def test_what_is_offered_is_what_is_implemented() -> None:
    kinds = (
        (csi.ControllerServiceCapability.RPC.Type, offered.CONTROLLER),
        (csi.GroupControllerServiceCapability.RPC.Type, offered.GROUP_CONTROLLER),
        (csi.NodeServiceCapability.RPC.Type, offered.NODE),
    )
    promised = {method for words, values in kinds for value in values for method in PROMISED[words.Name(value)]}
    assert {method for _, method in METHODS} - NOT_OFFERED == promised | ALWAYS


@pytest.mark.parametrize("method", sorted(NOT_OFFERED))
def test_the_attach_step_is_unimplemented_and_says_why(driver: CsiDriver, method: str) -> None:
    with pytest.raises(Refused, match="attachRequired: false") as refused:
        driver.call(method, getattr(csi, f"{method}Request")())
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_every_field_of_every_request_has_been_thought_about() -> None:
    assert all(wrong_values(leaf) for leaf in leaves())


def test_every_method_and_capability_is_in_the_reference() -> None:
    page = Path("docs/reference/csi.md").read_text()
    words = {method for _, method in METHODS} | {word for word in PROMISED if word != "PUBLISH_UNPUBLISH_VOLUME"}
    missing = {word for word in words if f"`{word}`" not in page}
    assert not missing
