"""A checkpoint had as a VolumeSnapshot, by a user with no rights but those of their namespace."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from rokcsi.model.claims import NamespacedName
from rokcsi.model.doorkeeper import Side
from rokcsi.model.requested_snapshots import content_name
from rokcsi.model.visits import version_at_door
from tests.fakes.patience import eventually
from tests.lab.kubernetes.checkpoints import address_of, ended, job, member_of, wanted
from tests.lab.kubernetes.kubectl import LAB, Kubectl
from tests.lab.kubernetes.objects import SNAPSHOTS, Object, claim, of_snapshot, pod

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("checkpoints")]
RULES = [
    {"apiGroups": [SNAPSHOTS], "resources": ["volumesnapshots"], "verbs": ["create", "get", "delete"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims", "pods"], "verbs": ["create", "get"]},
]


def requested(name: NamespacedName, origin: str) -> Object:
    """Give a VolumeSnapshot that asks to be a member of a checkpoint."""
    metadata = {"name": name.name, "namespace": name.namespace, "annotations": {"rok/origin": origin}}
    source = {"volumeSnapshotContentName": content_name(name)}
    return {
        "apiVersion": f"{SNAPSHOTS}/v1",
        "kind": "VolumeSnapshot",
        "metadata": metadata,
        "spec": {"source": source},
    }


def as_user(kubectl: Kubectl, *objects: Object) -> subprocess.CompletedProcess[str]:
    """Create objects as the namespace's user."""
    user = f"system:serviceaccount:{kubectl.namespace}:user"
    words = ["kubectl", "--namespace", kubectl.namespace, "--as", user, "create", "--filename", "-"]
    given = "\n---\n".join(json.dumps(each) for each in objects)
    return subprocess.run(
        [str(LAB), "run", *words], input=given, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def user(kubectl: Kubectl) -> None:
    """Have a user who may write snapshots, claims and pods in the namespace, and nothing else."""
    about = {"name": "user", "namespace": kubectl.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "user"}
    subject = {"kind": "ServiceAccount", "name": "user", "namespace": kubectl.namespace}
    version = "rbac.authorization.k8s.io/v1"
    kubectl.make(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about},
        {"apiVersion": version, "kind": "Role", "metadata": about, "rules": RULES},
        {"apiVersion": version, "kind": "RoleBinding", "metadata": about, "roleRef": role, "subjects": [subject]},
    )


@pytest.fixture(scope="module")
def address(kubectl: Kubectl) -> str:
    """Give the address of what a job has left in the volume `work`."""
    kubectl.make(wanted("work"), job("train", "echo kept >/work/x; sync", ["work"]))
    made, texts = ended(kubectl, "train")
    return member_of(address_of(texts, version_at_door(made["metadata"]["uid"], Side.AFTER)), "work")


@pytest.fixture
def other(driver: Kubectl) -> Iterator[Kubectl]:
    """Give kubectl in another namespace."""
    driver("create", "namespace", "lab-other")
    yield Kubectl("lab-other")
    driver("delete", "namespace", "lab-other", "--timeout=120s")


def contents_of(kubectl: Kubectl) -> list[str]:
    """Give the contents that were made for snapshots of a namespace."""
    made = kubectl.all("volumesnapshotcontents", "--selector", f"rokcsi.dev/checkpoint={kubectl.namespace}")
    return [each["metadata"]["name"] for each in made]


@pytest.mark.usefixtures("user")
def test_a_user_of_the_namespace_restores_a_checkpoint_by_snapshot_and_claim_alone(
    kubectl: Kubectl, address: str
) -> None:
    name = NamespacedName(kubectl.namespace, "after-train")
    done = as_user(
        kubectl,
        requested(name, address),
        claim("restored", of_snapshot("after-train")),
        pod("reads", "restored", 'test "$(cat x)" = kept'),
    )
    assert done.returncode == 0, done.stderr
    kubectl.wait("jsonpath={.status.readyToUse}=true", "volumesnapshot/after-train")
    kubectl.wait("condition=Ready", "pod/reads")
    content = kubectl.get("volumesnapshotcontent", content_name(name))
    refused = as_user(kubectl, {**content, "metadata": {"name": "mine"}})
    assert "forbidden" in refused.stderr


def test_deleting_the_snapshot_takes_its_content_and_leaves_the_checkpoint(kubectl: Kubectl, address: str) -> None:
    name = NamespacedName(kubectl.namespace, "short")
    for _ in range(2):
        kubectl.make(requested(name, address))
        kubectl.wait("jsonpath={.status.readyToUse}=true", "volumesnapshot/short")
        assert content_name(name) in contents_of(kubectl)
        kubectl("delete", "volumesnapshot", "short", "--timeout=60s")
        eventually(lambda: content_name(name) not in contents_of(kubectl), 180, every=0.5)


def test_another_namespace_has_it_by_a_grant_only(kubectl: Kubectl, other: Kubectl, address: str) -> None:
    theirs = NamespacedName(other.namespace, "stolen")
    other.make(requested(theirs, address))
    eventually(
        lambda: any("granted nothing" in text for text in other.events("stolen", "OriginRefused")), 180, every=0.5
    )
    assert not contents_of(other)
    kubectl("create", "configmap", "rokcsi-grants", f"--from-literal=namespaces={other.namespace}")
    granted = NamespacedName(other.namespace, "granted")
    other.make(
        requested(granted, address),
        claim("restored", of_snapshot("granted")),
        pod("reads", "restored", 'test "$(cat x)" = kept'),
    )
    other.wait("condition=Ready", "pod/reads")
    kubectl("delete", "configmap", "rokcsi-grants")


@pytest.mark.parametrize(
    "origin",
    ["../../etc/passwd", "0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11", "$(reboot)"],
    ids=["path", "unknown", "shell"],
)
def test_what_cannot_be_is_refused_on_the_snapshot(kubectl: Kubectl, origin: str) -> None:
    name = NamespacedName(kubectl.namespace, f"bad-{len(origin)}")
    kubectl.make(requested(name, origin))
    assert eventually(lambda: kubectl.events(name.name, "OriginRefused"), 180, every=0.5)
    assert content_name(name) not in contents_of(kubectl)
