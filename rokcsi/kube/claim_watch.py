"""Watches the claims that wait to be cloned, and the pods that find no node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from kubernetes import client

from rokcsi.kube.claim_objects import name_of, read_claim, read_pod
from rokcsi.kube.following import Following, Object
from rokcsi.model.claims import Claim, HomelessPod, NamespacedName


class ClaimsSeen(Protocol):
    """Whoever decides about claims and pods; called by the watches' threads."""

    def claim_seen(self, claim: Claim) -> None:
        """Take a claim that is to be cloned and has no volume yet, as it is now."""

    def claim_closed(self, name: NamespacedName) -> None:
        """Take note that a claim has its volume, is gone, or was never of that kind."""

    def claims_are(self, names: Collection[NamespacedName]) -> None:
        """Forget all claims but these."""

    def pod_seen(self, pod: HomelessPod) -> None:
        """Take a pod for which there is no node."""


def claim_watches(api: Any, seen: ClaimsSeen) -> Sequence[Following]:
    """Give what follows all claims, and all pods that have no node yet; nothing is started."""
    core = client.CoreV1Api(api)
    return (
        Following("claims", core.list_persistent_volume_claim_for_all_namespaces, _Claims(seen)),
        Following(
            "unscheduled pods",
            core.list_pod_for_all_namespaces,
            _Pods(seen.pod_seen),
            field_selector="spec.nodeName=,status.phase=Pending",
        ),
    )


class _Claims:
    def __init__(self, seen: ClaimsSeen) -> None:
        self._seen = seen

    def listed(self, objects: Iterator[Object]) -> None:
        names = []
        for each in objects:
            names.append(name_of(each))
            self.changed(each)
        self._seen.claims_are(names)

    def changed(self, changed: Object) -> None:
        claim = read_claim(changed)
        if claim is not None and claim.is_open:
            self._seen.claim_seen(claim)
        else:
            self._seen.claim_closed(name_of(changed))

    def gone(self, gone: Object) -> None:
        self._seen.claim_closed(name_of(gone))


class _Pods:
    def __init__(self, seen: Callable[[HomelessPod], None]) -> None:
        self._seen = seen

    def listed(self, objects: Iterator[Object]) -> None:
        for each in objects:
            self.changed(each)

    def changed(self, changed: Object) -> None:
        pod = read_pod(changed)
        if pod is not None:
            self._seen(pod)

    def gone(self, gone: Object) -> None:
        """Do nothing: a pod is looked at once more before anything is said of it."""
