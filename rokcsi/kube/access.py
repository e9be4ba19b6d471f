"""A user's way into a cluster: a context of their kubeconfig, or the account of the pod that they are in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from rokcsi.kube.connecting import CONFLICT, asked, status_of
from rokcsi.kube.following import Object
from rokcsi.model.errors import InvalidRequest, NotAllowed, RecordExists, RokcsiError, RosterAway

IN_CLUSTER = "in-cluster"
_FORBIDDEN = 403
_WRONG = frozenset({400, 422})
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Access:
    """A client of the API server, and the namespace that is meant where none is named."""

    api: Any
    namespace: str


def access(context: str) -> Access:
    """Give the way in; `in-cluster` is the pod's own account. Raises InvalidRequest."""
    configuration = client.Configuration()
    try:
        if context == IN_CLUSTER:
            config.load_incluster_config(configuration)
            namespace = _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
        else:
            config.load_kube_config(context=context, client_configuration=configuration)
            known = config.list_kube_config_contexts()[0]
            namespace = next(each["context"].get("namespace", "") for each in known if each["name"] == context)
    except (config.ConfigException, OSError) as error:
        raise InvalidRequest(f"there is no way into the cluster {context}: {error}; set KUBECONFIG") from error
    configuration.retries = False
    return Access(client.ApiClient(configuration), namespace or "default")


def make(api: Any, objects: Sequence[Object]) -> None:
    """Make claims and pods with the user's own rights, all or none.

    Raises RecordExists where a name is taken, NotAllowed, InvalidRequest, RosterAway.
    """
    core = client.CoreV1Api(api)
    makes = {"PersistentVolumeClaim": core.create_namespaced_persistent_volume_claim, "Pod": core.create_namespaced_pod}
    made: list[Object] = []
    for each in objects:
        name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
        try:
            asked(makes[each["kind"]], namespace, each)
        except RosterAway as error:
            refused = _in_words(error, f"the {each['kind']} {name} in the namespace {namespace}")
            left = _take_back(core, made)
            raise (type(refused)(f"{refused}; delete what is left: {', '.join(left)}") if left else refused) from error
        made.append(each)


def _in_words(error: RosterAway, what: str) -> RokcsiError:
    """Give what the API server has against an object, in its own words: a quota, a policy, a name."""
    status = status_of(error)
    try:
        why = json.loads(getattr(error.__cause__, "body", None) or "{}").get("message") or str(error)
    except ValueError:
        why = str(error)
    if status == CONFLICT:
        return RecordExists(f"there is {what} already")
    if status == _FORBIDDEN:
        return NotAllowed(f"{what} is refused: {why}")
    return InvalidRequest(f"{what} cannot be made: {why}") if status in _WRONG else error


def _take_back(core: Any, made: Sequence[Object]) -> Sequence[str]:
    """Delete claims that were made for a pod that was not (it is the last); give the names of those that are left."""
    left = []
    for each in made:
        name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
        try:
            asked(core.delete_namespaced_persistent_volume_claim, name, namespace)
        except RosterAway:  # who may make claims may not always delete them
            left.append(name)
    return left
