"""What owners of pods hear of checkpoints at the mount; a word that does not reach them keeps nobody waiting."""

from __future__ import annotations

import logging

from rokcsi.model.deadline import beyond_the_call
from rokcsi.model.doorkeeper import PodAtDoor, Side
from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Version
from rokcsi.model.origin import Origin
from rokcsi.model.visits import PodNotices

_log = logging.getLogger(__name__)


class Announcing:
    """Tells each thing on the pod that it is about."""

    def __init__(self, notices: PodNotices) -> None:
        self._notices = notices

    def taken(self, pod: PodAtDoor, version: Version, took: str) -> None:
        """Tell that there is a checkpoint, where it is found, and what the pod has waited for."""
        late = "; it is late: the volumes may have been written to since" if version.late else ""
        others = ", ".join(version.concurrent_steps)
        shared = f"; written to at the same time: {others}" if others else ""
        where = Origin.of_version(version, namespace=pod.namespace)
        self._tell(
            pod, "CheckpointTaken", f"{version.title}: {where}{late}{shared}; {took}", warning=bool(late or shared)
        )

    def missed(self, pod: PodAtDoor) -> None:
        """Tell that there is no checkpoint before a pod, and never will be."""
        self._tell(pod, "CheckpointMissed", "the pod began without a checkpoint: the timeline did not answer in time")

    def failed(self, pod: PodAtDoor, side: Side, error: RokcsiError) -> None:
        """Tell that a checkpoint could not be taken."""
        self._tell(pod, "CheckpointFailed", f"no checkpoint {side} the pod: {error}")

    def stopped(self, pod: PodAtDoor, why: str) -> None:
        """Tell that no more are taken at present."""
        self._tell(pod, "CheckpointsStopped", f"no checkpoint is taken: {why}")

    def _tell(self, pod: PodAtDoor, reason: str, text: str, *, warning: bool = True) -> None:
        _log.info("told a pod's owner", extra={"reason": reason, "operation": f"{pod.namespace}/{pod.name}: {text}"})
        try:
            with beyond_the_call():  # that the time was too short is what is to be told
                self._notices.tell(pod, reason, text, warning=warning)
        except RokcsiError as error:
            _log.warning("a pod's owner was not reached", extra={"reason": reason, "error": str(error)})
