"""From Pods, as JSON, to the house's words for those who come to their volumes. What users wrote is distrusted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from rokcsi.kube.claim_objects import claim_behind, read_time
from rokcsi.kube.following import Object
from rokcsi.kube.pod_set_up import read_set_up
from rokcsi.model.cluster import PodPhase, PodVolume
from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.visits import PodEnd, PodOwner, PodSetUp, VisitingPod

_MAIN = "main"  # so Argo, and KFP with it, call the container of the step itself


def read_visiting_pod(pod: Object) -> VisitingPod:
    """Give a pod."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    phase = status.get("phase", "")
    containers = _containers(pod)
    end = _end(pod)
    return VisitingPod(
        at=PodAtDoor(
            metadata["namespace"], metadata["name"], metadata["uid"], pod["spec"].get("serviceAccountName", "")
        ),
        phase=PodPhase(phase) if phase in set(PodPhase) else PodPhase.RUNNING,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        owner=_owner(metadata),
        mounts=tuple(_mounts(pod)),
        started=any(_has_run(each) for each in _statuses(status)),
        leaving=_is_leaving(metadata, end.at, is_over=phase in {"Succeeded", "Failed"}),
        set_up=read_set_up(pod, containers[0]) if containers else PodSetUp(),
        end=end,
    )


def _containers(pod: Object) -> Sequence[Object]:
    """Give the containers, the step's own first."""
    containers: list[Object] = list(pod["spec"].get("containers") or ())
    return sorted(containers, key=lambda each: each["name"] != _MAIN)


def _statuses(status: Object) -> Iterator[Object]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _has_run(container: Object) -> bool:
    states = {**(container.get("lastState") or {}), **(container.get("state") or {})}
    return bool(container.get("restartCount")) or "running" in states or "terminated" in states


def _owner(metadata: Object) -> PodOwner | None:
    owners = metadata.get("ownerReferences") or ()
    found = next((each for each in owners if each.get("controller")), None)
    return PodOwner(found["kind"], found["name"], found["uid"]) if found else None


def _mounts(pod: Object) -> Iterator[PodVolume]:
    """Give the claims of a pod, each with the place where the step's container has it."""
    for volume in pod["spec"].get("volumes") or ():
        claim = claim_behind(volume, pod["metadata"]["name"])
        if claim is None:
            continue
        readonly = volume.get("persistentVolumeClaim", {}).get("readOnly")
        places = list(_places(pod, volume["name"]))
        only_read = bool(readonly) or (bool(places) and all(each.get("readOnly") for each in places))
        path = next((each.get("mountPath") or each.get("devicePath") or "" for each in places), "")
        yield PodVolume(volume["name"], claim, path, only_read)


def _places(pod: Object, volume: str) -> Iterator[Object]:
    spec = pod["spec"]
    for container in (*_containers(pod), *(spec.get("initContainers") or ()), *(spec.get("ephemeralContainers") or ())):
        for mount in (*(container.get("volumeMounts") or ()), *(container.get("volumeDevices") or ())):
            if mount["name"] == volume:
                yield mount


def _end(pod: Object) -> PodEnd:
    """Give how the step's container has ended; where that was well and the pod failed, the one that did not."""
    status = pod.get("status") or {}
    states = {
        each["name"]: (each.get("state") or {}).get("terminated") for each in status.get("containerStatuses") or ()
    }
    ended = [state for each in _containers(pod) if (state := states.get(each["name"]))]
    if not ended:
        return PodEnd(why=status.get("reason") or "")
    failed = next((state for state in ended if state.get("exitCode")), ended[0])
    chosen = failed if status.get("phase") == "Failed" else ended[0]
    word = chosen.get("reason") or ""
    times = [read_time(each["finishedAt"]) for each in ended if each.get("finishedAt")]
    why = status.get("reason") or ("" if word in {"Completed", "Error"} else word)
    return PodEnd(chosen.get("exitCode"), why, max(times, default=None))


def _is_leaving(metadata: Object, ended_at: dt.datetime | None, *, is_over: bool) -> bool:
    """Tell whether a pod was deleted before its containers had ended."""
    if not metadata.get("deletionTimestamp"):
        return False
    grace = dt.timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    asked_at = read_time(metadata["deletionTimestamp"]) - grace
    return not is_over or ended_at is None or ended_at >= asked_at
