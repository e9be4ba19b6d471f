"""A version as objects of Kubernetes: claims cloned from its members, and a pod that sees them as the step's did.

With the step's image, environment, resources, user and mount paths. Its own command is not
run again: the pod holds the volumes, for `kubectl exec` or a notebook server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rokcsi.kube.claim_objects import ORIGIN
from rokcsi.model.errors import NotSupported
from rokcsi.model.history import Member, Version
from rokcsi.model.origin import Origin
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodTemplate, PodUser

Made = dict[str, Any]
RESTORED_FROM = "rokcsi.dev/restored-from"
COMMAND = "rokcsi.dev/command"
HOLD = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done")
_HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True, slots=True)
class Reopening:
    """How a version is to be opened: under which name, with which command, its claims of which class (empty: the default)."""

    name: str
    namespace: str
    command: tuple[str, ...] = HOLD
    storage_class: str = ""


def reopened(version: Version, members: Sequence[Member], origin_namespace: str, how: Reopening) -> Sequence[Made]:
    """Give the claims of these members and then the pod; raise NotSupported where its image is not known.

    `origin_namespace` is the version's own; in another one the claims need its grant.
    """
    template = version.reason.template
    if template is None or not template.image:
        raise NotSupported(f"version {version.id} does not know its pod's image: it was taken before images were kept")
    claims = [_claim(version, member, origin_namespace, how) for member in members]
    return [*claims, _pod(version, members, template, how)]


def _claim(version: Version, member: Member, origin_namespace: str, how: Reopening) -> Made:
    address = Origin.of_member(version, member, namespace=origin_namespace)
    spec: Made = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(int(member.size))}}}
    if how.storage_class:
        spec["storageClassName"] = how.storage_class
    metadata = {"name": _claim_name(how, member), "namespace": how.namespace, "annotations": {ORIGIN: str(address)}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _claim_name(how: Reopening, member: Member) -> str:
    return f"{how.name}-{member.volume}"


def _pod(version: Version, members: Sequence[Member], template: PodTemplate, how: Reopening) -> Made:
    annotations = {RESTORED_FROM: version.id}
    if version.reason.command:
        annotations[COMMAND] = " ".join(version.reason.command)
    spec: Made = {
        "restartPolicy": "Never",
        "securityContext": _of_pod(template.user),
        "containers": [_container(version, members, template, how)],
        "volumes": [_volume(member, how) for member in members],
    }
    if template.service_account:
        spec["serviceAccountName"] = template.service_account
    metadata = {"name": how.name, "namespace": how.namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(version: Version, members: Sequence[Member], template: PodTemplate, how: Reopening) -> Made:
    plain = [{"name": name, "value": value} for name, value in version.reason.environment.items()]
    container: Made = {
        "name": "notebook",
        "image": template.image,
        "command": list(how.command),
        "env": [*plain, *_variables(template.borrowed)],
        "envFrom": list(_whole_sources(template.borrowed)),
        "resources": {"requests": dict(template.requests), "limits": dict(template.limits)},
        "volumeMounts": [
            {"name": member.volume, "mountPath": member.mount_path, **({"readOnly": True} if member.readonly else {})}
            for member in members
            if member.mount_path
        ],
    }
    if version.reason.working_directory:
        container["workingDir"] = version.reason.working_directory
    if template.user.never_root:
        container["securityContext"] = _HARDENED
    return {name: value for name, value in container.items() if value}


def _volume(member: Member, how: Reopening) -> Made:
    return {"name": member.volume, "persistentVolumeClaim": {"claimName": _claim_name(how, member)}}


def _of_pod(user: PodUser) -> Made:
    """Give a pod's security context: fsGroup changes no owner of a clone's files, whose root has it already."""
    numbers = {"runAsUser": user.user, "runAsGroup": user.group, "fsGroup": user.fs_group}
    context: Made = {name: number for name, number in numbers.items() if number is not None}
    if user.fs_group is not None:
        context["fsGroupChangePolicy"] = "OnRootMismatch"
    if user.groups:
        context["supplementalGroups"] = list(user.groups)
    if user.never_root:
        context["runAsNonRoot"] = True
    return context


def _variables(borrowed: Sequence[BorrowedVariable]) -> Iterator[Made]:
    words: Mapping[BorrowedFrom, str] = {
        BorrowedFrom.SECRET: "secretKeyRef",
        BorrowedFrom.CONFIG_MAP: "configMapKeyRef",
    }
    for each in borrowed:
        if each.kind is BorrowedFrom.FIELD:
            yield {"name": each.name, "valueFrom": {"fieldRef": {"fieldPath": each.key}}}
        elif each.name:
            source = {"name": each.source, "key": each.key, **({"optional": True} if each.optional else {})}
            yield {"name": each.name, "valueFrom": {words[each.kind]: source}}


def _whole_sources(borrowed: Sequence[BorrowedVariable]) -> Iterator[Made]:
    words = {BorrowedFrom.SECRET: "secretRef", BorrowedFrom.CONFIG_MAP: "configMapRef"}
    for each in borrowed:
        if each.kind is not BorrowedFrom.FIELD and not each.name:
            source = {"name": each.source, **({"optional": True} if each.optional else {})}
            yield {words[each.kind]: source, **({"prefix": each.prefix} if each.prefix else {})}
