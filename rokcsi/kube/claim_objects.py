"""From PersistentVolumeClaims and Pods, as JSON, to the house's words. What users wrote is distrusted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from rokcsi.kube.following import Object
from rokcsi.model.claims import Claim, HomelessPod, NamespacedName, Source, SourceKind

ORIGIN = SourceKind.ORIGIN.value
SELECTED_NODE = "volume.kubernetes.io/selected-node"
REMINDED = "rokcsi.dev/node-said-again"  # when; for nobody to read
SNAPSHOTS = "snapshot.storage.k8s.io"
_GROUPS = {SourceKind.SNAPSHOT.value: (SNAPSHOTS,), SourceKind.VOLUME.value: ("", None)}


def name_of(thing: Object) -> NamespacedName:
    """Give an object's name."""
    return NamespacedName(thing["metadata"]["namespace"], thing["metadata"]["name"])


def read_claim(claim: Object) -> Claim | None:
    """Give a claim that is to be cloned from something in its own namespace or from an origin, None for any other."""
    metadata, spec = claim["metadata"], claim["spec"]
    source = _source(spec, metadata["namespace"]) or _origin(metadata, spec)
    if source is None or not spec.get("storageClassName"):
        return None
    return Claim(
        name=name_of(claim),
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        storage_class=spec["storageClassName"],
        source=source,
        node=(metadata.get("annotations") or {}).get(SELECTED_NODE, ""),
        created=read_time(metadata.get("creationTimestamp")),
        is_open=not spec.get("volumeName") and not metadata.get("deletionTimestamp"),
    )


def read_pod(pod: Object) -> HomelessPod | None:
    """Give a pod for which the scheduler found no node, None for any other, and for one without claims."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    why = next((each for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False"), None)
    claims = tuple(_claims_of(pod))
    if why is None or why.get("reason") != "Unschedulable" or not claims or pod["spec"].get("nodeName"):
        return None
    return HomelessPod(name_of(pod), pod["metadata"]["uid"], claims, why.get("message") or "no node suits")


def read_time(text: str | None) -> dt.datetime:
    """Read a timestamp of the API; now where there is none."""
    return dt.datetime.fromisoformat(text) if text else dt.datetime.now(dt.UTC)


def claim_behind(volume: Object, pod: str) -> str | None:
    """Give the name of the claim that a pod's volume stands for, None where it stands for none."""
    if "persistentVolumeClaim" in volume:
        return str(volume["persistentVolumeClaim"]["claimName"])
    return f"{pod}-{volume['name']}" if "ephemeral" in volume else None


def names_back(back: Object | None, namer: Object) -> bool:
    """Tell whether a reference is to the object that names its holder: anybody can write a name."""
    return all((back or {}).get(each) == namer["metadata"][each] for each in ("namespace", "name", "uid"))


def _origin(metadata: Object, spec: Object) -> Source | None:
    """Give what a claim's annotation names, unless its spec names something itself."""
    written = (metadata.get("annotations") or {}).get(ORIGIN)
    named = spec.get("dataSourceRef") or spec.get("dataSource")
    return Source(SourceKind.ORIGIN, written) if written and not named else None


def _source(spec: Object, namespace: str) -> Source | None:
    wanted = spec.get("dataSourceRef") or spec.get("dataSource")
    if not wanted or wanted.get("namespace") not in (None, "", namespace):
        return None
    kind = wanted.get("kind", "")
    if kind not in _GROUPS or wanted.get("apiGroup") not in _GROUPS[kind] or not wanted.get("name"):
        return None
    return Source(SourceKind(kind), wanted["name"])


def _claims_of(pod: Object) -> Iterator[NamespacedName]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    for volume in pod["spec"].get("volumes") or ():
        if (claim := claim_behind(volume, name)) is not None:
            yield NamespacedName(namespace, claim)
