"""What users and forgers write: refused where it is read, told where its owner looks, and everything is as it was.

Whoever may write PersistentVolumes or VolumeSnapshotContents may have any volume: that is
Kubernetes' rule, and these tests do not say otherwise. They say that a handle that is not
one, of another node or of nothing, gets nowhere.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pytest

from tests.fakes.patience import eventually
from tests.lab.kubernetes.checkpoints import job
from tests.lab.kubernetes.kubectl import LAB, Kubectl, named
from tests.lab.kubernetes.objects import CLASS, SNAPSHOTS, Object, claim, of_snapshot, pod

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("checkpoints")]
HERE, THERE = "lab-node-1", "lab-node-2"
FORGED = "0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11"
SECRET = "correct-horse-battery-staple"
ORIGINS = {
    "word": "x",
    "path": "../../../etc/passwd",
    "shell": "$(reboot); `reboot` && rm -rf / #",
    "lines": "0b7cf0b9\n0d8c\r\n\tversion",
    "dots": f"/rok/swift/v1/%2e%2e/b/o?version={FORGED}",
    "namespace": f"/rok/swift/v1/kube-system/b/o?version={FORGED}",
    "unknown": FORGED,
    "sql": "' OR 1=1; DROP TABLE versions; --",
    "host": f"https://169.254.169.254/rok/swift/v1/default/b/o?version={FORGED}",
    "huge": "x" * 200 * 1024,
}
CALL = """
import json, sys, grpc
from rokcsi.csi.proto import csi_pb2 as csi, csi_pb2_grpc
channel = grpc.insecure_channel("unix:///var/lib/kubelet/plugins/rokcsi.dev/csi.sock")
method, fields = sys.argv[1], json.loads(sys.argv[2])
access = csi.VolumeCapability(mount={"fs_type": "xfs"}, access_mode={"mode": 1})
request = getattr(csi, f"{method}Request")(**fields)
if hasattr(request, "volume_capability"):
    request.volume_capability.CopyFrom(access)
try:
    getattr(csi_pb2_grpc.NodeStub(channel), method)(request, timeout=30)
    print("OK")
except grpc.RpcError as error:
    print(error.code().name, error.details())
"""


def told_of(kubectl: Kubectl, name: str, reason: str) -> Sequence[str]:
    """Wait until the owner of an object is told something; give it."""
    return eventually(partial(kubectl.events, name, reason), 180, every=0.5)


def in_namespace(kubectl: Kubectl) -> list[Object]:
    """Give the PersistentVolumes of a namespace's claims."""
    return [dict(each) for each in kubectl.all("pv") if each["spec"]["claimRef"]["namespace"] == kubectl.namespace]


def forged_volume(name: str, namespace: str, handle: str, attributes: Mapping[str, str], node: str) -> list[Object]:
    """Give a PersistentVolume written by hand, and the claim for it."""
    csi = {"driver": "rokcsi.dev", "volumeHandle": handle, "fsType": "xfs", "volumeAttributes": dict(attributes)}
    expression = {"key": "topology.rokcsi.dev/node", "operator": "In", "values": [node]}
    spec: Object = {
        "capacity": {"storage": "320Mi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": "by-hand",
        "csi": csi,
        "claimRef": {"namespace": namespace, "name": name},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
    }
    made = claim(name)
    made["spec"] |= {"storageClassName": "by-hand", "volumeName": f"{namespace}-{name}"}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{namespace}-{name}"}, "spec": spec}
    return [volume, made]


def forged_snapshot(name: str, namespace: str, handle: str, of: str = "") -> list[Object]:
    """Give a VolumeSnapshot and a VolumeSnapshotContent written by hand; `of` is another snapshot that the content names."""
    version, content = f"{SNAPSHOTS}/v1", f"forged-{namespace}-{name}"
    back = {"namespace": namespace, "name": of or name}
    spec = {
        "driver": "rokcsi.dev",
        "deletionPolicy": "Delete",
        "source": {"snapshotHandle": handle},
        "volumeSnapshotRef": back,
    }
    source = {"source": {"volumeSnapshotContentName": content}}
    return [
        {"apiVersion": version, "kind": "VolumeSnapshotContent", "metadata": {"name": content}, "spec": spec},
        {"apiVersion": version, "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": source},
    ]


def called(driver: Kubectl, node: str, method: str, **fields: object) -> str:
    """Call a node's driver on its socket, as nobody but kubelet can; give the status and what it says."""
    selector = ("--selector", "app.kubernetes.io/component=node", "--field-selector", f"spec.nodeName={node}")
    [there] = driver.all("pods", *selector)
    return driver("exec", there["metadata"]["name"], "--", "python3", "-c", CALL, method, json.dumps(fields))


def mounts(node: str) -> Counter[str]:
    """Give what pods have mounted on a node."""
    command = [str(LAB), "on", node[-1], "cat", "/proc/self/mountinfo"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return Counter(line.split()[4] for line in told.splitlines() if "/var/lib/kubelet/pods/" in line)


@pytest.fixture(scope="module")
def victim(kubectl: Kubectl) -> Iterator[str]:
    """Give the handle of a volume that a pod of somebody else uses; it is as it was when all is over."""
    kubectl.make(claim("victim"), pod("owner", "victim", "echo mine >x; sync", must=HERE))
    kubectl.wait("condition=Ready", "pod/owner")
    yield str(volume_of(kubectl, "victim")["spec"]["csi"]["volumeHandle"])
    assert kubectl("exec", "owner", "--", "cat", "/data/x") == "mine\n"


def volume_of(kubectl: Kubectl, name: str) -> Object:
    """Give a claim's volume."""
    return dict(kubectl.get("pv", kubectl.get("pvc", name)["spec"]["volumeName"]))


def test_no_annotation_makes_a_volume_of_what_is_not_its_namespaces(kubectl: Kubectl) -> None:
    for name, origin in ORIGINS.items():
        made = claim(f"bad-{name}")
        made["metadata"]["annotations"] = {"rok/origin": origin}
        kubectl.make(made, pod(f"bad-{name}", f"bad-{name}", "true"))
    names = [f"bad-{name}" for name in ORIGINS]
    for name in names:
        told = told_of(kubectl, name, "SourceRefused")
        assert all(len(text) < 600 for text in told), name
    assert {kubectl.get("pvc", name)["status"]["phase"] for name in names} == {"Pending"}
    assert not [each for each in in_namespace(kubectl) if each["spec"]["claimRef"]["name"] in names]
    kubectl("delete", *named("pod", names), *named("pvc", names), "--wait=false")


def test_policies_that_are_no_words_are_not_heard(kubectl: Kubectl) -> None:
    made = claim("loud")
    made["metadata"]["annotations"] = {"rokcsi.dev/checkpoints": "steps; rm -rf /"}
    kubectl.make(made, job("loud", "echo x >/loud/x", ["loud"]))
    kubectl.wait("condition=Complete", "job/loud")
    assert not [each for each in kubectl.all("events") if each["reason"].startswith("Checkpoint")]


@pytest.mark.usefixtures("victim")
def test_volumes_written_by_hand_get_nowhere_where_their_handle_is_not_one(kubectl: Kubectl, victim: str) -> None:
    pool_id = victim.split("-")[1]
    handles = {
        "path": ("../../../../etc", HERE),
        "slash": (f"v-{pool_id}-{'0' * 31}/", HERE),
        "gone": (f"v-{pool_id}-{'0' * 32}", HERE),
        "nowhere": (f"v-{'f' * 32}-{'0' * 32}", HERE),
        "elsewhere": (victim, THERE),
        "snapshot": (victim.replace("v-", "s-", 1), HERE),
    }
    attributes = {"csi.storage.k8s.io/pod.uid": "../..", "pool": "loopfile:/etc", "device": "/dev/vda"}
    for name, (handle, node) in handles.items():
        kubectl.make(*forged_volume(name, kubectl.namespace, handle, attributes, node))
        kubectl.make(pod(name, name, "true", must=node))
    for name in handles:
        told = told_of(kubectl, name, "FailedMount")
        assert "NotFound" in told[0], f"{name}: {told}"
    kubectl("delete", *named("pod", handles), *named("pvc", handles), "--timeout=90s")
    names = {f"{kubectl.namespace}-{name}" for name in handles}
    kubectl("delete", *named("pv", names), "--ignore-not-found", "--timeout=90s")
    assert volume_of(kubectl, "victim")["status"]["phase"] == "Bound"


def test_contents_written_by_hand_get_nowhere_where_their_handle_is_not_one(kubectl: Kubectl, victim: str) -> None:
    pool_id = victim.split("-")[1]
    handles = {
        "s-path": "../../../../etc",
        "s-gone": f"s-{pool_id}-{'0' * 32}",
        "s-nowhere": f"s-{'f' * 32}-{'0' * 32}",
        "s-volume": victim,
    }
    for name, handle in handles.items():
        kubectl.make(*forged_snapshot(name, kubectl.namespace, handle))
    kubectl.make(*forged_snapshot("s-theirs", kubectl.namespace, f"s-{pool_id}-{'0' * 32}", of="somebody"))
    names = [*handles, "s-theirs"]
    for name in names:
        kubectl.make(claim(name, of_snapshot(name)), pod(name, name, "true"))
    for name in names:
        assert eventually(partial(_failure, kubectl, name), 180, every=0.5), name
    assert {kubectl.get("pvc", name)["status"]["phase"] for name in names} == {"Pending"}
    kubectl("delete", *named("pod", names), *named("pvc", names), *named("volumesnapshot", names), "--wait=false")
    contents = [f"forged-{kubectl.namespace}-{name}" for name in names]
    kubectl("delete", *named("volumesnapshotcontent", contents), "--ignore-not-found", "--timeout=60s")


def _failure(kubectl: Kubectl, snapshot: str) -> str:
    """Give why a snapshot is not ready, as its owner sees it."""
    status = kubectl.get("volumesnapshot", snapshot).get("status") or {}
    assert not status.get("readyToUse")
    return str((status.get("error") or {}).get("message") or "")


def test_no_call_shows_or_hides_a_volume_at_another_pods_path(kubectl: Kubectl, driver: Kubectl, victim: str) -> None:
    kubectl.make(claim("thief"), pod("thief", "thief", "true", must=HERE))
    kubectl.wait("condition=Ready", "pod/thief")
    mine = str(volume_of(kubectl, "thief")["spec"]["csi"]["volumeHandle"])
    target = _target(kubectl, "owner", "victim")
    before = mounts(HERE)
    staging = next(place for place in _staged() if mine in _inside(place))
    for path in (target, f"{target}/deeper", f"{target}/../mount", "/etc", "/var/lib/kubelet"):
        told = called(driver, HERE, "NodePublishVolume", volume_id=mine, staging_target_path=staging, target_path=path)
        assert told.split()[0] in {"ALREADY_EXISTS", "INVALID_ARGUMENT"}, f"{path}: {told}"
    told = called(driver, HERE, "NodeUnpublishVolume", volume_id=mine, target_path=target)
    assert told.startswith("FAILED_PRECONDITION"), told
    assert mounts(HERE) == before


def _target(kubectl: Kubectl, pod: str, claim: str) -> str:
    """Give where kubelet shows a claim's volume to a pod."""
    volume = kubectl.get("pvc", claim)["spec"]["volumeName"]
    uid = kubectl.get("pod", pod)["metadata"]["uid"]
    return f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/{volume}/mount"


def _staged() -> list[str]:
    """Give where kubelet has had volumes staged on the first node."""
    command = [
        str(LAB),
        "on",
        "1",
        "sh",
        "-c",
        "ls -d /var/lib/kubelet/plugins/kubernetes.io/csi/rokcsi.dev/*/globalmount",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def _inside(place: str) -> str:
    """Give what kubelet wrote down of a staged volume."""
    command = [str(LAB), "on", "1", "cat", f"{place.rpartition('/')[0]}/vol_data.json"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_no_log_has_a_secret(kubectl: Kubectl, driver: Kubectl) -> None:
    """A class may name secrets for staging and publishing, which kubelet hands over; ours has no use for them."""
    kubectl("create", "secret", "generic", "key", f"--from-literal=password={SECRET}")
    about = {"secret-name": "key", "secret-namespace": kubectl.namespace}
    named_in = {
        f"csi.storage.k8s.io/node-{deed}-{key}": value for deed in ("stage", "publish") for key, value in about.items()
    }
    secretive = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "secretive"},
        "provisioner": "rokcsi.dev",
        "volumeBindingMode": "WaitForFirstConsumer",
        "parameters": named_in,
    }
    made = claim("secretive")
    made["spec"]["storageClassName"] = "secretive"
    kubectl.make(secretive, made, pod("secretive", "secretive", "true"))
    kubectl.wait("condition=Ready", "pod/secretive")
    assert volume_of(kubectl, "secretive")["spec"]["csi"]["nodeStageSecretRef"]["name"] == "key"
    kubectl("delete", "pod/secretive", "--timeout=60s")
    kubectl("delete", "storageclass/secretive")
    logs = subprocess.run([str(LAB), "logs"], capture_output=True, text=True, check=True, timeout=120).stdout
    assert "NodeStageVolume" in logs
    for secret in (SECRET, base64.b64encode(SECRET.encode()).decode()):
        assert secret not in logs
    assert CLASS in {each["metadata"]["name"] for each in driver.all("storageclass")}
