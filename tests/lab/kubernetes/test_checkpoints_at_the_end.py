"""However a pod ends, it has its checkpoints; and what deleting claims and namespaces does to them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from rokcsi.model.doorkeeper import Side
from rokcsi.model.visits import version_at_door
from tests.fakes.patience import eventually
from tests.lab.kubernetes.checkpoints import (
    address_of,
    both_told,
    ended,
    holds,
    job,
    pods_of,
    wanted,
)
from tests.lab.kubernetes.kubectl import Kubectl, named
from tests.lab.kubernetes.objects import HOST, Object
from tests.lab.kubernetes.release import timeline_pod

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("checkpoints")]
NODES = ("lab-node-1", "lab-node-2")
ATTEMPTS = """
import json, sqlite3, sys
catalog = sqlite3.connect(f"file:/var/lib/rokcsi/catalogs/{sys.argv[1]}.sqlite?mode=ro", uri=True)
print(json.dumps(catalog.execute("select pod, status, exit_status, message, run from attempts").fetchall()))
"""


def attempts(driver: Kubectl, namespace: str) -> dict[str, tuple[str, int | None, str, str]]:
    """Give how each pod of a namespace has ended, and its run, as the timeline's catalogue has it."""
    name = timeline_pod(driver)["metadata"]["name"]
    rows = json.loads(driver("exec", name, "--", "python3", "-c", ATTEMPTS, namespace))
    return {pod: (status, exit_status, why, run) for pod, status, exit_status, why, run in rows}


def after(texts: Sequence[str], pod: Object) -> str:
    """Give the address of the version after a pod."""
    return address_of(texts, version_at_door(pod["metadata"]["uid"], Side.AFTER))


def settled(driver: Kubectl, kubectl: Kubectl, pod: Object, status: str) -> tuple[str, int | None, str, str]:
    """Wait until the catalogue knows how a pod has ended; give that."""
    name = pod["metadata"]["name"]
    eventually(lambda: attempts(driver, kubectl.namespace)[name][0] == status, 180, every=1.0)
    return attempts(driver, kubectl.namespace)[name]


def test_a_pod_that_is_killed_for_its_memory_has_what_it_wrote_until_then(kubectl: Kubectl, driver: Kubectl) -> None:
    script = "echo half >/greedy/x; sync; exec tail -c 500m /dev/zero"
    kubectl.make(wanted("greedy"), job("greedy", script, ["greedy"], memory="32Mi"))
    pod, texts = ended(kubectl, "greedy")
    status, exit_status, why, _ = settled(driver, kubectl, pod, "failed")
    assert (status, exit_status, why) == ("failed", 137, "OOMKilled")
    holds(kubectl, "greedy-after", after(texts, pod), "greedy", 'test "$(cat /greedy-after/x)" = half')


def test_a_pod_that_kubelet_evicts_has_its_checkpoint(kubectl: Kubectl, driver: Kubectl) -> None:
    made = job("hog", "echo half >/hog/x; sync; dd if=/dev/zero of=/scratch/y bs=1M count=8; sleep 600", ["hog"])
    spec = made["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}})
    spec["containers"][0]["volumeMounts"].append({"name": "scratch", "mountPath": "/scratch"})
    kubectl.make(wanted("hog"), made)
    pod, texts = ended(kubectl, "hog")
    assert settled(driver, kubectl, pod, "failed")[2] == "Evicted"
    holds(kubectl, "hog-after", after(texts, pod), "hog", 'test "$(cat /hog-after/x)" = half')


def test_a_pod_that_is_evicted_from_a_node_has_its_checkpoint(kubectl: Kubectl, driver: Kubectl) -> None:
    kubectl.make(wanted("moved"), job("moved", "echo half >/moved/x; sync; sleep 600", ["moved"]))
    [pod] = eventually(lambda: pods_of(kubectl, "moved")[:1], 180, every=0.5)
    name = pod["metadata"]["name"]
    kubectl.wait("condition=Ready", f"pod/{name}")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}/eviction"
    kubectl("create", "--raw", path, "--filename", "-", given=json.dumps(eviction))
    texts = both_told(kubectl, pod)
    assert settled(driver, kubectl, pod, "canceled")[2].startswith("aborted")
    holds(kubectl, "moved-after", after(texts, pod), "moved", 'test "$(cat /moved-after/x)" = half')
    kubectl("delete", "job/moved", "--wait=false")


def test_pods_of_one_run_on_two_nodes_have_each_their_own(kubectl: Kubectl, driver: Kubectl) -> None:
    """As Argo labels them: one workflow, two of its nodes at the same time, each with a volume on its own machine."""
    steps = dict(zip(("left", "right"), NODES, strict=True))
    for name, node in steps.items():
        template = job(name, f"echo {name} >/{name}/x; sync; sleep 3", [name])["spec"]["template"]["spec"]
        labels = {"workflows.argoproj.io/workflow": "fork-abcde"}
        notes = {"workflows.argoproj.io/node-name": f"fork-abcde.{name}"}
        kubectl.make(
            wanted(name),
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": labels, "annotations": notes},
                "spec": {**template, "nodeSelector": {HOST: node}},
            },
        )
    kubectl.wait("jsonpath={.status.phase}=Succeeded", *named("pod", steps))
    for name, node in steps.items():
        pod = dict(kubectl.get("pod", name))
        assert pod["spec"]["nodeName"] == node
        texts = both_told(kubectl, pod)
        holds(kubectl, f"{name}-after", after(texts, pod), name, f'test "$(cat /{name}-after/x)" = {name}')
    found = attempts(driver, kubectl.namespace)
    assert found["left"][3] == found["right"][3]


def test_a_deleted_claim_leaves_its_checkpoints(kubectl: Kubectl) -> None:
    kubectl.make(wanted("short"), job("short", "echo kept >/short/x; sync", ["short"]))
    pod, texts = ended(kubectl, "short")
    kubectl("delete", "job/short", "pvc/short", "--timeout=90s")
    eventually(
        lambda: not [each for each in kubectl.all("pv") if each["spec"]["claimRef"]["name"] == "short"], 180, every=0.5
    )
    holds(kubectl, "short-after", after(texts, pod), "short", 'test "$(cat /short-after/x)" = kept')


def test_a_deleted_namespace_takes_its_checkpoints_with_it(driver: Kubectl) -> None:
    gone = Kubectl("lab-gone")
    driver("create", "namespace", gone.namespace)
    gone.make(wanted("work"), job("train", "echo secret >/work/x; sync", ["work"]))
    pod, texts = ended(gone, "train")
    address = after(texts, pod)
    assert kept(driver, gone.namespace)
    driver("delete", "namespace", gone.namespace, "--timeout=120s")
    eventually(lambda: not kept(driver, gone.namespace), 180, every=2.0)
    driver("create", "namespace", gone.namespace)
    again = wanted("again")
    again["metadata"]["annotations"]["rok/origin"] = address.replace("?", "_work?")
    gone.make(again)
    assert eventually(lambda: gone.events("again", "SourceRefused"), 180, every=0.5)
    driver("delete", "namespace", gone.namespace, "--wait=false")


def kept(driver: Kubectl, namespace: str) -> bool:
    """Tell whether the timeline has a catalogue of a namespace, or what belongs to one."""
    name = timeline_pod(driver)["metadata"]["name"]
    return f"{namespace}.sqlite" in driver("exec", name, "--", "ls", "/var/lib/rokcsi/catalogs")
