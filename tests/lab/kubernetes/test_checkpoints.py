"""Checkpoints at the mount, with the real kubelet: jobs run, and nothing of them was changed for it.

The lab has no kube-proxy and no DNS, so nodes and controller are told the timeline's address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rokcsi.model.doorkeeper import Side
from rokcsi.model.visits import version_at_door
from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import IMAGE, claim
from tests.lab.kubernetes.release import upgraded

pytestmark = pytest.mark.lab

PORT = 9813
WANTED = {"rokcsi.dev/checkpoints": "steps"}
Object = dict[str, Any]


def timeline_pod(driver: Kubectl) -> Object:
    """Give the timeline's one pod."""
    [pod] = driver.all("pods", "--selector", "app.kubernetes.io/component=timeline")
    return dict(pod)


@pytest.fixture(scope="module", autouse=True)
def checkpoints(driver: Kubectl) -> Iterator[None]:
    """Have checkpoints at the mount switched on."""
    upgraded("checkpoints.enabled=true")
    upgraded(f"checkpoints.address={timeline_pod(driver)['status']['podIP']}:{PORT}")
    driver("rollout", "status", "daemonset/rok-node", "--timeout=120s")
    yield
    upgraded("checkpoints.enabled=false", "checkpoints.address=")


def job(name: str, script: str, claims: Sequence[str], *, tries: int = 1) -> Object:
    """Give a job whose pods see the claims at /NAME."""
    container: Object = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in claims],
    }
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": tries - 1, "template": {"spec": spec}},
    }


def wanted(name: str) -> Object:
    """Give a claim that wants checkpoints."""
    made = claim(name)
    made["metadata"]["annotations"] = WANTED
    return made


def told(kubectl: Kubectl, pod: Object, reason: str = "CheckpointTaken") -> Sequence[str]:
    """Give what a pod's owner was told."""
    return kubectl.events(pod["metadata"]["name"], reason)


def pods_of(kubectl: Kubectl, name: str) -> Sequence[Object]:
    return [dict(each) for each in kubectl.all("pods", "--selector", f"job-name={name}")]


def address_of(texts: Sequence[str], version: str) -> str:
    """Give the address of a version in what was told."""
    return next(word.rstrip(";") for text in texts for word in text.split() if version in word)


def holds(kubectl: Kubectl, name: str, address: str, member: str, condition: str) -> None:
    """Have a claim cloned from one member of a version, and a job that ends well where the clone, at /NAME, is as it should be."""
    run = address.partition("?")[0].rpartition("/")[2]
    made = claim(name)
    made["metadata"]["annotations"] = {"rok/origin": address.replace(f"/{run}?", f"/{run}_{member}?")}
    kubectl.make(made, job(name, condition, [name]))
    kubectl.wait("condition=Complete", f"job/{name}")


def test_a_job_of_two_volumes_has_both_versions_and_each_is_what_it_was(kubectl: Kubectl) -> None:
    kubectl.make(wanted("work"), wanted("more"))
    kubectl.make(job("train", "cat /work/x /more/x; echo one >/work/x; echo two >/more/x", ["work", "more"]))
    eventually(lambda: bool(pods_of(kubectl, "train")))
    [pod] = pods_of(kubectl, "train")
    uid = pod["metadata"]["uid"]
    eventually(lambda: len(told(kubectl, pod)) == 2, 120)
    before, after = (address_of(told(kubectl, pod), version_at_door(uid, side)) for side in Side)
    holds(kubectl, "empty", before, "work", "test ! -e /empty/x")
    holds(kubectl, "full", after, "work", 'test "$(cat /full/x)" = one')
    holds(kubectl, "other", after, "more", 'test "$(cat /other/x)" = two')


def test_failed_tries_are_attempts_with_their_versions(kubectl: Kubectl) -> None:
    kubectl.make(wanted("tries"))
    kubectl.make(job("fails", "echo $HOSTNAME >>/tries/log; wc -l </tries/log; exit 3", ["tries"], tries=2))
    eventually(lambda: len(pods_of(kubectl, "fails")) == 2, 120)
    eventually(lambda: all(len(told(kubectl, pod)) == 2 for pod in pods_of(kubectl, "fails")), 120)
    texts = [text for pod in pods_of(kubectl, "fails") for text in told(kubectl, pod)]
    assert any("attempt 2" in text for text in texts)


def test_a_claim_in_another_namespace_is_refused_in_words(kubectl: Kubectl, driver: Kubectl) -> None:
    kubectl.make(wanted("mine"), job("makes", "echo secret >/mine/x", ["mine"]))
    eventually(lambda: bool(pods_of(kubectl, "makes")))
    [pod] = pods_of(kubectl, "makes")
    eventually(lambda: len(told(kubectl, pod)) == 2, 120)
    address = address_of(told(kubectl, pod), version_at_door(pod["metadata"]["uid"], Side.AFTER))
    stolen = claim("stolen")
    stolen["metadata"]["annotations"] = {"rok/origin": address}
    driver.make(stolen, job("thief", "cat /stolen/x", ["stolen"]))
    try:
        eventually(lambda: any("granted nothing" in text for text in driver.events("stolen", "SourceRefused")))
        assert driver.get("pvc", "stolen")["status"]["phase"] == "Pending"
    finally:
        driver("delete", "job/thief", "pvc/stolen", "--wait=false")
