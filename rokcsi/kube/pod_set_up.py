"""From the container of a step, as JSON, to how it was set up. What users wrote is distrusted; secrets are not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rokcsi.kube.following import Object
from rokcsi.model.pod_template import BorrowedFrom, BorrowedVariable, PodTemplate, PodUser
from rokcsi.model.visits import PodSetUp

_MOST_VARIABLES = 200
_KEYS = {"secretKeyRef": BorrowedFrom.SECRET, "configMapKeyRef": BorrowedFrom.CONFIG_MAP}
_WHOLE = {"secretRef": BorrowedFrom.SECRET, "configMapRef": BorrowedFrom.CONFIG_MAP}


def read_set_up(pod: Object, container: Object) -> PodSetUp:
    """Give how a pod's container was set up."""
    plain = [each for each in container.get("env") or () if "valueFrom" not in each][:_MOST_VARIABLES]
    return PodSetUp(
        command=(*(container.get("command") or ()), *(container.get("args") or ())),
        environment={each["name"]: each.get("value", "") for each in plain},
        working_directory=container.get("workingDir") or None,
        template=_template(pod["spec"], container),
    )


def _template(spec: Object, container: Object) -> PodTemplate:
    resources = container.get("resources") or {}
    return PodTemplate(
        image=container.get("image") or "",
        requests=_quantities(resources.get("requests")),
        limits=_quantities(resources.get("limits")),
        borrowed=tuple(_borrowed(container))[:_MOST_VARIABLES],
        user=_user(spec.get("securityContext") or {}, container.get("securityContext") or {}),
        service_account=spec.get("serviceAccountName") or "",
    )


def _quantities(written: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(quantity) for name, quantity in (written or {}).items()}


def _borrowed(container: Object) -> Iterator[BorrowedVariable]:
    """Give where values stand; those that are computed of the container's own resources are left out."""
    for each in container.get("envFrom") or ():
        for word, kind in _WHOLE.items():
            if source := each.get(word):
                yield BorrowedVariable(
                    kind, source["name"], prefix=each.get("prefix") or "", optional=bool(source.get("optional"))
                )
    for each in container.get("env") or ():
        where = each.get("valueFrom") or {}
        for word, kind in _KEYS.items():
            if source := where.get(word):
                optional = bool(source.get("optional"))
                yield BorrowedVariable(kind, source["name"], each["name"], source["key"], optional=optional)
        if held := where.get("fieldRef"):
            yield BorrowedVariable(BorrowedFrom.FIELD, name=each["name"], key=held["fieldPath"])


def _user(of_pod: Object, of_container: Object) -> PodUser:
    """Give whom a container runs as: what is said of itself counts before what is said of its pod."""
    said = {**of_pod, **of_container}
    return PodUser(
        user=said.get("runAsUser"),
        group=said.get("runAsGroup"),
        fs_group=of_pod.get("fsGroup"),
        groups=tuple(of_pod.get("supplementalGroups") or ()),
        never_root=bool(said.get("runAsNonRoot")),
    )
