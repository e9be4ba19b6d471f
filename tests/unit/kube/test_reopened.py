"""A version as claims and a pod: what was recorded is there again, and nothing that could harm."""

from __future__ import annotations

import dataclasses

import pytest

from rokcsi.kube.reopened import COMMAND, RESTORED_FROM, Reopening, reopened
from rokcsi.model.errors import NotSupported
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodUser
from tests.unit.catalog.conftest import TEMPLATE, version

HOW = Reopening("again", "team-a")
BORROWED = (
    BorrowedVariable(BorrowedFrom.SECRET, "s", "TOKEN", "k", optional=True),
    BorrowedVariable(BorrowedFrom.CONFIG_MAP, "c", prefix="C_"),
    BorrowedVariable(BorrowedFrom.FIELD, name="NODE", key="spec.nodeName"),
)
RECORDED = version(
    reason=dataclasses.replace(version().reason, template=dataclasses.replace(TEMPLATE, borrowed=BORROWED))
)


def test_each_member_is_a_claim_cloned_from_its_address() -> None:
    work, data, _ = reopened(RECORDED, RECORDED.members, "team-b", dataclasses.replace(HOW, storage_class="fast"))
    assert work["metadata"] == {
        "name": "again-work",
        "namespace": "team-a",
        "annotations": {"rok/origin": f"/rok/swift/v1/team-b/notebooks/lab_work?version={RECORDED.id}"},
    }
    assert work["spec"]["resources"]["requests"]["storage"] == str(1 << 40)
    assert work["spec"]["storageClassName"] == "fast"
    assert data["metadata"]["name"] == "again-data"


def test_the_pod_has_what_the_steps_had() -> None:
    pod = reopened(RECORDED, RECORDED.members, "team-a", HOW)[-1]
    [container] = pod["spec"]["containers"]
    assert container["image"] == "localhost/image:1"
    assert container["resources"] == {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": "1"}}
    assert container["workingDir"] == "/work"
    assert container["env"][0] == {"name": "A", "value": RECORDED.reason.environment["A"]}
    assert container["env"][2:] == [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    assert container["envFrom"] == [{"configMapRef": {"name": "c"}, "prefix": "C_"}]
    assert container["volumeMounts"] == [
        {"name": "work", "mountPath": "/work", "readOnly": True},
        {"name": "data", "mountPath": "/data"},
    ]
    assert pod["spec"]["securityContext"] == {
        "runAsUser": 1000,
        "runAsGroup": 100,
        "fsGroup": 100,
        "fsGroupChangePolicy": "OnRootMismatch",
        "supplementalGroups": [7],
        "runAsNonRoot": True,
    }
    assert pod["spec"]["serviceAccountName"] == "default-editor"
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "again-work"}


def test_the_steps_command_is_told_and_not_run_again() -> None:
    pod = reopened(RECORDED, RECORDED.members, "team-a", HOW)[-1]
    assert pod["metadata"]["annotations"][RESTORED_FROM] == RECORDED.id
    assert pod["metadata"]["annotations"][COMMAND].startswith("python ")
    assert pod["spec"]["containers"][0]["command"][0] == "sh"
    pod = reopened(RECORDED, RECORDED.members, "team-a", dataclasses.replace(HOW, command=("jupyter", "lab")))[-1]
    assert pod["spec"]["containers"][0]["command"] == ["jupyter", "lab"]


@pytest.mark.parametrize("never_root", [True, False])
def test_a_pod_that_never_was_root_may_come_into_a_restricted_namespace(*, never_root: bool) -> None:
    template = dataclasses.replace(TEMPLATE, user=PodUser(never_root=never_root))
    kept = version(reason=dataclasses.replace(version().reason, template=template))
    [container] = reopened(kept, kept.members, "team-a", HOW)[-1]["spec"]["containers"]
    assert (container.get("securityContext", {}).get("allowPrivilegeEscalation") is False) is never_root


def test_a_version_without_an_image_opens_no_pod() -> None:
    kept = version(reason=dataclasses.replace(version().reason, template=None))
    with pytest.raises(NotSupported, match="does not know its pod's image"):
        reopened(kept, kept.members, "team-a", HOW)
