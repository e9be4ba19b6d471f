"""Checkpoints at the mount in the lab: switched on, asked for by claims, looked for in events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import IMAGE, Object, claim
from tests.lab.kubernetes.release import found_by_all, switched_off, upgraded

WANTED = {"rokcsi.dev/checkpoints": "steps"}


@contextmanager
def switched_on(driver: Kubectl) -> Iterator[None]:
    """Have checkpoints at the mount switched on for the length of the block."""
    upgraded("checkpoints.enabled=true")
    found_by_all(driver)
    yield
    switched_off()


def job(name: str, script: str, claims: Sequence[str], *, tries: int = 1, memory: str = "") -> Object:
    """Give a job whose pods see the claims at /NAME, and may have so much memory."""
    container: Object = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in claims],
    }
    if memory:
        container["resources"] = {"limits": {"memory": memory}, "requests": {"memory": memory}}
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


def ended(kubectl: Kubectl, name: str) -> tuple[Object, Sequence[str]]:
    """Wait for both versions of a job's first pod; give the pod and what its owner was told."""
    [pod] = eventually(lambda: pods_of(kubectl, name)[:1], 180, every=0.5)
    return pod, both_told(kubectl, pod)


def both_told(kubectl: Kubectl, pod: Object) -> Sequence[str]:
    """Wait until a pod has both versions; give what its owner was told."""
    return eventually(lambda: texts if len(texts := told(kubectl, pod)) == 2 else (), 180, every=0.5)


def address_of(texts: Sequence[str], version: str) -> str:
    """Give the address of a version in what was told."""
    return next(word.rstrip(";") for text in texts for word in text.split() if version in word)


def member_of(address: str, member: str) -> str:
    """Give the address of one member of a version."""
    run = address.partition("?")[0].rpartition("/")[2]
    return address.replace(f"/{run}?", f"/{run}_{member}?")


def holds(kubectl: Kubectl, name: str, address: str, member: str, condition: str) -> None:
    """Have a claim cloned from one member of a version, and a job that ends well where the clone, at /NAME, is as it should be."""
    made = claim(name)
    made["metadata"]["annotations"] = {"rok/origin": member_of(address, member)}
    kubectl.make(made, job(name, condition, [name]))
    kubectl.wait("condition=Complete", f"job/{name}")
