"""Pods that come to their volumes, as the API server tells of them: real-looking objects, and forged ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from rokcsi.kube.claim_origins import KubernetesClaimOrigins
from rokcsi.kube.origin_grants import ConfigMapGrants
from rokcsi.kube.pod_events import PodEvents
from rokcsi.kube.visited_pods import KubernetesVisitedPods
from rokcsi.model.claims import NamespacedName
from rokcsi.model.cluster import PodPhase, PodVolume
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodTemplate, PodUser
from rokcsi.model.visits import PodEnd, PodOwner, VisitedVolume, VisitingPod
from tests.fakes.api_server import ApiState
from tests.fakes.kube_objects import (
    CLAIMS,
    CONTENTS,
    PODS,
    SNAPSHOTS,
    VOLUMES,
    a_claim,
    a_content,
    a_snapshot,
    a_volume,
)

DRIVER = "rokcsi.dev"
AT = PodAtDoor("work", "train", "uid-train", "default-editor")
HANDLE = "v-" + "ab" * 16 + "-" + "cd" * 16
SNAPSHOT = "s-" + "ab" * 16 + "-" + "ef" * 16
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
ATTRIBUTES = "/apis/storage.k8s.io/v1/volumeattributesclasses"
HOME = "/api/v1/namespaces/work"
Object = dict[str, Any]


@pytest.fixture
def pods(served: tuple[ApiState, Any]) -> KubernetesVisitedPods:
    return KubernetesVisitedPods(served[1], DRIVER)


def a_step(status: Object | None = None, **metadata: Any) -> Object:
    """Give the pod of a step as Argo makes it: its own container is `main`, beside `wait`."""
    main = {
        "name": "main",
        "image": "python:3.11",
        "command": ["sh", "-c"],
        "args": ["python train.py"],
        "workingDir": "/home/jovyan",
        "env": [
            {"name": "EPOCHS", "value": "3"},
            {"name": "EMPTY"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ],
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "c", "optional": True}}],
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
        "securityContext": {"runAsUser": 1000},
        "volumeMounts": [
            {"name": "work", "mountPath": "/home/jovyan"},
            {"name": "data", "mountPath": "/data", "readOnly": True},
        ],
    }
    wait = {"name": "wait", "volumeMounts": [{"name": "work", "mountPath": "/mainctrfs/home/jovyan"}]}
    return {
        "metadata": {
            "namespace": "work",
            "name": "train",
            "uid": "uid-train",
            "labels": {"workflows.argoproj.io/workflow": "wf"},
            "ownerReferences": [
                {"kind": "Other", "name": "x", "uid": "y"},
                {"kind": "Workflow", "name": "wf", "uid": "uid-wf", "controller": True},
            ],
            **metadata,
        },
        "spec": {
            "serviceAccountName": "default-editor",
            "securityContext": {"runAsUser": 1, "runAsNonRoot": True, "fsGroup": 100, "supplementalGroups": [7]},
            "containers": [wait, main],
            "volumes": [
                {"name": "work", "persistentVolumeClaim": {"claimName": "wf-work"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "wf-data"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "var-run", "emptyDir": {}},
            ],
        },
        "status": status or {"phase": "Pending"},
    }


def ended(name: str, code: int, reason: str, at: str = "2026-01-01T10:00:00Z") -> Object:
    state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at}}
    return {"name": name, "state": state, "restartCount": 0}


def seen(api: ApiState, pods: KubernetesVisitedPods, body: Object) -> VisitingPod:
    api.have(f"{PODS}/train", body)
    found = pods.pod(AT)
    assert found is not None
    return found


def test_a_pod_is_read_with_its_own_containers_set_up(api: ApiState, pods: KubernetesVisitedPods) -> None:
    pod = seen(api, pods, a_step())
    assert pod.at == AT
    assert pod.owner == PodOwner("Workflow", "wf", "uid-wf")
    assert pod.set_up.command == ("sh", "-c", "python train.py")
    assert pod.set_up.environment == {"EPOCHS": "3", "EMPTY": ""}  # a secret's value is nobody's business here
    assert pod.set_up.working_directory == "/home/jovyan"
    assert pod.mounts == (
        PodVolume("work", "wf-work", "/home/jovyan"),
        PodVolume("data", "wf-data", "/data", readonly=True),
        PodVolume("scratch", "train-scratch", ""),
    )
    assert (pod.phase, pod.started, pod.leaving) == (PodPhase.PENDING, False, False)


def test_a_pod_is_read_with_what_another_one_like_it_is_made_of(api: ApiState, pods: KubernetesVisitedPods) -> None:
    assert seen(api, pods, a_step()).set_up.template == PodTemplate(
        "python:3.11",
        {"cpu": "500m"},
        {"memory": "1Gi"},
        (
            BorrowedVariable(BorrowedFrom.CONFIG_MAP, "c", prefix="C_", optional=True),
            BorrowedVariable(BorrowedFrom.SECRET, "s", "TOKEN", "k"),
            BorrowedVariable(BorrowedFrom.FIELD, name="NODE", key="spec.nodeName"),
        ),
        PodUser(1000, None, 100, (7,), never_root=True),
        "default-editor",
    )


def test_a_pod_of_the_same_name_and_another_uid_is_another(api: ApiState, pods: KubernetesVisitedPods) -> None:
    api.have(f"{PODS}/train", a_step(uid="uid-of-another"))
    assert pods.pod(AT) is None
    api.delete(f"{PODS}/train")
    assert pods.pod(AT) is None


@pytest.mark.parametrize(
    ("status", "started"),
    [
        ({"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": {}}}]}, False),
        ({"phase": "Pending", "initContainerStatuses": [{"name": "init", "state": {"running": {}}}]}, True),
        ({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}, True),
        ({"phase": "Running", "containerStatuses": [{"name": "m", "state": {"waiting": {}}, "restartCount": 2}]}, True),
        ({"phase": "Succeeded", "containerStatuses": [ended("main", 0, "Completed")]}, True),
    ],
)
def test_a_pod_has_started_once_any_container_of_it_has_run(
    api: ApiState, pods: KubernetesVisitedPods, status: Object, *, started: bool
) -> None:
    assert seen(api, pods, a_step(status)).started is started


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"containerStatuses": [ended("wait", 0, "Completed"), ended("main", 0, "Completed")]}, (0, "")),
        ({"containerStatuses": [ended("wait", 0, "Completed"), ended("main", 137, "OOMKilled")]}, (137, "OOMKilled")),
        ({"containerStatuses": [ended("wait", 64, "Error"), ended("main", 0, "Completed")]}, (64, "")),
        ({"reason": "Evicted", "containerStatuses": [ended("main", 137, "Error")]}, (137, "Evicted")),
        ({"reason": "Evicted"}, (None, "Evicted")),
        ({}, (None, "")),
    ],
)
def test_how_a_pod_has_failed_is_told(
    api: ApiState, pods: KubernetesVisitedPods, status: Object, expected: tuple[int | None, str]
) -> None:
    end = seen(api, pods, a_step({"phase": "Failed", **status})).end
    assert (end.exit_status, end.why) == expected


@pytest.mark.parametrize(
    ("asked", "phase", "leaving"),
    [
        ("2026-01-01T10:00:30Z", "Failed", True),  # asked at 10:00:00, with 30 s of grace
        ("2026-01-01T10:00:31Z", "Failed", False),  # it had ended before
        ("2026-01-01T11:00:00Z", "Running", True),
    ],
)
def test_a_pod_deleted_before_its_end_is_told_from_one_tidied_away(
    api: ApiState, pods: KubernetesVisitedPods, asked: str, phase: str, *, leaving: bool
) -> None:
    status = {"phase": phase, "containerStatuses": [ended("main", 143, "Error")]}
    body = a_step(status, deletionTimestamp=asked, deletionGracePeriodSeconds=30)
    pod = seen(api, pods, body)
    assert pod.leaving is leaving
    assert pod.end == PodEnd(143, "", dt.datetime(2026, 1, 1, 10, 0, tzinfo=dt.UTC))


class TestVolumes:
    """What of a pod is ours, and what was said of it."""

    @pytest.fixture
    def pod(self, api: ApiState, pods: KubernetesVisitedPods) -> VisitingPod:
        api.have(HOME, {"metadata": {"name": "work", "creationTimestamp": "2026-01-01T00:00:00Z"}})
        api.have(f"{CLASSES}/rokcsi", {"metadata": {"name": "rokcsi"}, "provisioner": DRIVER})
        api.have(f"{VOLUMES}/pv-work", self.volume())
        api.have(f"{CLAIMS}/wf-work", a_claim("wf-work", source=None, bound="pv-work"))
        return seen(api, pods, a_step())

    def volume(self, of: str = "wf-work", **fields: Any) -> Object:
        body = a_volume("pv-work", of, HANDLE, **fields)
        body["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
        return body

    def only(self, pods: KubernetesVisitedPods, pod: VisitingPod) -> VisitedVolume:
        [found] = pods.volumes(pod)
        return found

    def test_a_bound_claim_of_ours_is_one_of_its_volumes(self, pods: KubernetesVisitedPods, pod: VisitingPod) -> None:
        found = self.only(pods, pod)
        assert (found.name, found.claim, found.handle) == ("work", "wf-work", HANDLE)
        assert (found.mount_path, found.readonly) == ("/home/jovyan", False)
        assert found.created == dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
        assert found.said == (None, None, None, None)

    def test_everybody_who_may_speak_is_asked(
        self, api: ApiState, pods: KubernetesVisitedPods, pod: VisitingPod
    ) -> None:
        policy = {"checkpoint-policy": "steps"}
        api.have(f"{CLASSES}/rokcsi", {"metadata": {"name": "rokcsi"}, "parameters": policy})
        api.have(f"{ATTRIBUTES}/none", {"metadata": {"name": "none"}, "parameters": {"checkpoint-policy": "none"}})
        api.have(HOME, {"metadata": {"name": "work", "labels": {"rokcsi.dev/checkpoints": "steps"}}})
        claim = a_claim("wf-work", source=None, bound="pv-work", annotations={"rokcsi.dev/checkpoints": "never"})
        claim["spec"]["volumeAttributesClassName"] = "gone"
        claim["status"] = {"currentVolumeAttributesClassName": "none"}
        api.have(f"{CLAIMS}/wf-work", claim)
        assert self.only(pods, pod).said == ("none", "never", "steps", "steps")

    @pytest.mark.parametrize(
        "forged", ["another claim's", "another namespace's", "another driver's", "unbound", "gone"]
    )
    def test_what_is_not_its_own_is_left_out(
        self, api: ApiState, pods: KubernetesVisitedPods, pod: VisitingPod, forged: str
    ) -> None:
        bodies = {
            "another claim's": self.volume("other"),
            "another namespace's": self.volume(namespace="elsewhere"),
            "another driver's": self.volume(),
        }
        bodies["another driver's"]["spec"]["csi"]["driver"] = "theirs"
        if forged in bodies:
            api.have(f"{VOLUMES}/pv-work", bodies[forged])
        elif forged == "unbound":
            api.have(f"{CLAIMS}/wf-work", a_claim("wf-work", source=None))
        else:
            api.delete(f"{CLAIMS}/wf-work")
        assert not pods.volumes(pod)

    def test_a_clone_of_a_snapshot_knows_what_it_was(
        self, api: ApiState, pods: KubernetesVisitedPods, pod: VisitingPod
    ) -> None:
        api.have(f"{SNAPSHOTS}/before", a_snapshot("before", "content"))
        api.have(f"{CONTENTS}/content", a_content("content", "before", SNAPSHOT))
        annotations = {"rokcsi.dev/checkpoints": "steps"}
        api.have(f"{CLAIMS}/wf-work", a_claim("wf-work", bound="pv-work", annotations=annotations))
        assert self.only(pods, pod).from_snapshot == SNAPSHOT
        api.have(f"{CONTENTS}/content", a_content("content", "before", SNAPSHOT, namespace="elsewhere"))
        assert self.only(pods, pod).from_snapshot == ""

    def test_a_namespace_is_as_old_as_it_is(self, pods: KubernetesVisitedPods, pod: VisitingPod) -> None:
        assert pod.at.namespace == "work"
        assert pods.namespace_since("work") == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        assert pods.namespace_since("nowhere") is None


def test_an_owner_reads_on_the_pod_what_has_become_of_it(served: tuple[ApiState, Any]) -> None:
    api, client = served
    events = PodEvents(client, "rokcsi-timeline")
    events.tell(AT, "CheckpointTaken", "Before step 'train'", warning=False)
    events.tell(AT, "CheckpointFailed", "x" * 5000, warning=True)
    told = [body for path, body in api.things.items() if path.startswith(f"{HOME}/events/")]
    assert [(each["type"], each["reason"]) for each in told] == [
        ("Normal", "CheckpointTaken"),
        ("Warning", "CheckpointFailed"),
    ]
    assert told[0]["involvedObject"]["uid"] == "uid-train"
    assert len(told[1]["message"]) == 1024


@pytest.mark.parametrize(
    ("written", "granted"),
    [("team-b", True), ("a, team-b\nc", True), ("team-bb", False), ("*", False), ("", False), (None, False)],
)
def test_a_grant_names_its_namespaces(served: tuple[ApiState, Any], written: str | None, *, granted: bool) -> None:
    api, client = served
    if written is not None:
        api.have(
            f"{HOME}/configmaps/rokcsi-grants", {"metadata": {"name": "rokcsi-grants"}, "data": {"namespaces": written}}
        )
    assert ConfigMapGrants(client).granted("work", "team-b") is granted


def test_an_origin_is_read_where_it_was_written(served: tuple[ApiState, Any]) -> None:
    api, client = served
    origins = KubernetesClaimOrigins(client)
    assert origins.origin_of(NamespacedName("work", "again")) == ""
    api.have(f"{CLAIMS}/again", a_claim("again", source=None, annotations={"rok/origin": "https://rok/x"}))
    assert origins.origin_of(NamespacedName("work", "again")) == "https://rok/x"
