"""Whether there is room for one more checkpoint: in the pool, and in what its namespace may keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rokcsi.model.doorkeeper import PodAtDoor
from rokcsi.model.history import Version
from rokcsi.model.sizes import Bytes
from rokcsi.model.visits import VolumeCuts
from rokcsi.timeline.announcing import Announcing
from rokcsi.timeline.visit_book import VisitBook


@dataclass(frozen=True, slots=True)
class RoomRules:
    """No checkpoint is taken where more than `fullness` of a pool is used, or a namespace keeps `most_bytes` (None: any)."""

    fullness: float = 0.70
    most_bytes: Bytes | None = None


class Room:
    """Looks before each checkpoint, and says on the pod why there is none."""

    def __init__(self, cuts: VolumeCuts, rules: RoomRules, announcing: Announcing) -> None:
        self._cuts = cuts
        self._rules = rules
        self._announcing = announcing

    def is_there(self, book: VisitBook, pod: PodAtDoor, volume: str) -> bool:
        """Tell whether a checkpoint may be taken; raise Unavailable where the volume's node is away."""
        why = self._too_full(volume) or self._too_much(book)
        if why:
            self._announcing.stopped(pod, why)
        return not why

    def _too_full(self, volume: str) -> str:
        used, limit = self._cuts.fullness(volume), self._rules.fullness
        return f"{used:.0%} of the pool are used, and {limit:.0%} are the limit" if used > limit else ""

    def _too_much(self, book: VisitBook) -> str:
        limit = self._rules.most_bytes
        if limit is None or (kept := kept_bytes(book.ready())) < limit:
            return ""
        return f"the namespace's checkpoints are of {kept} of volumes, and {limit} are the limit"


def kept_bytes(versions: Iterable[Version]) -> Bytes:
    """Add up the sizes of the volumes that were cut; versions that rest on one cut count once."""
    sizes = {member.snapshot: member.size for version in versions for member in version.members}
    return Bytes(sum(sizes.values()))
