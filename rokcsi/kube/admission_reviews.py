"""AdmissionReviews of claims that are being made, admission.k8s.io/v1: what the API server asks, and the yes with a node in it.

Whoever reaches the port can write one, so everything in it is looked at before it is used:
a thing of the wrong kind makes the review a bad one, a name that cannot be names nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rokcsi.kube.claim_objects import ORIGIN, SELECTED_NODE, read_claim
from rokcsi.kube.following import Object
from rokcsi.model.claims import Claim, SourceKind
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.object_names import is_object_name
from rokcsi.model.origin import NAMESPACE

_VERSION, _KIND = "admission.k8s.io/v1", "AdmissionReview"
_CLAIMS = {"group": "", "version": "v1", "resource": "persistentvolumeclaims"}
_LONGEST_UID = 128


@dataclass(frozen=True, slots=True)
class Review:
    """A question by its uid; `claim` is None where there is nothing to say, `annotated` tells what a patch begins with."""

    uid: str
    claim: Claim | None = None
    annotated: bool = False


def read_review(document: Object) -> Review:
    """Read what the API server sends; raise InvalidRequest for anything that it would not send."""
    if (document.get("apiVersion"), document.get("kind")) != (_VERSION, _KIND):
        raise InvalidRequest(f"not an {_KIND} of {_VERSION}")
    request = _part(document, "request")
    uid = _text(request, "uid")
    if not 0 < len(uid) <= _LONGEST_UID:
        raise InvalidRequest(f"a request has a uid of up to {_LONGEST_UID} characters")
    if _text(request, "operation") != "CREATE" or _part(request, "resource") != _CLAIMS or request.get("subResource"):
        return Review(uid)
    made = _part(request, "object")
    claim = _claim(made, _text(request, "namespace"))
    return Review(uid, claim, bool(_part(_part(made, "metadata"), "annotations")))


def allowed(review: Review, node: str = "") -> Mapping[str, Any]:
    """Give the yes, with a patch that chooses a node where there is one."""
    response: dict[str, Any] = {"uid": review.uid, "allowed": True}
    if node:
        patch = json.dumps([_annotation(node, annotated=review.annotated)]).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    return {"apiVersion": _VERSION, "kind": _KIND, "response": response}


def _annotation(node: str, *, annotated: bool) -> Object:
    """Give the operation of RFC 6902: its path goes through an object that has to be there, and writes / as ~1."""
    if annotated:
        return {"op": "add", "path": f"/metadata/annotations/{SELECTED_NODE.replace('/', '~1')}", "value": node}
    return {"op": "add", "path": "/metadata/annotations", "value": {SELECTED_NODE: node}}


def _claim(made: Object, namespace: str) -> Claim | None:
    """Give a claim that waits for a node to be cloned on, by the rules of claims that are there; None for any other."""
    metadata, spec = _part(made, "metadata"), _part(made, "spec")
    annotations = _part(metadata, "annotations")
    name = _text(metadata, "name")  # empty where the API server is to find one (generateName)
    known = {
        "namespace": namespace,
        "name": name,
        "uid": "",
        "resourceVersion": "",
        "annotations": {key: _text(annotations, key) for key in (ORIGIN, SELECTED_NODE)},
    }
    sources = {each: _source(_part(spec, each)) for each in ("dataSource", "dataSourceRef")}
    wanted = {each: _text(spec, each) for each in ("storageClassName", "volumeName")}
    claim = read_claim({"metadata": known, "spec": {**sources, **wanted}})
    if claim is None or not claim.is_open or claim.node or not _can_be_named(claim):
        return None
    return claim


def _source(source: Object) -> Object:
    return {key: _text(source, key) for key in ("apiGroup", "kind", "name", "namespace")} if source else {}


def _can_be_named(claim: Claim) -> bool:
    """Tell whether these can be names of Kubernetes' objects; an origin is looked at by whoever knows them."""
    names = [claim.storage_class]
    names += [claim.name.name] if claim.name.name else []
    names += [] if claim.source.kind is SourceKind.ORIGIN else [claim.source.name]
    return NAMESPACE.fullmatch(claim.name.namespace) is not None and all(map(is_object_name, names))


def _part(holder: Object, name: str) -> Object:
    """Give an object within another, empty where it is left out; raise InvalidRequest where it is something else."""
    found = holder.get(name)
    if found is not None and not isinstance(found, dict):
        raise InvalidRequest(f"{name} is no JSON object")
    return found or {}


def _text(holder: Object, name: str) -> str:
    """Give a text within an object, empty where it is left out; raise InvalidRequest where it is something else."""
    found = holder.get(name)
    if found is not None and not isinstance(found, str):
        raise InvalidRequest(f"{name} is no text")
    return found or ""
