"""The order in which a driver is killed at its failpoints: as the story passes them, as far as their names tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

_ROOMS = (
    *("image", "found", "open", "create", "attach", "node.stage", "describe", "node.publish"),
    *("cut", "describe-snapshot", "clone", "volume.copy", "grow", "node.expand"),
    *("node.unpublish", "node.unstage", "detach", "delete-snapshots", "delete"),
)
_AFTER_A_CRASH = {
    "loopfile.reconcile.discarded": "loopfile.cut.named:4",
    "lvm.reconcile.discarded": "lvm.cut.group-made",
    "lvm-direct.undo.removed": "lvm-direct.cut.made",
}
"""Places passed only by a start that finds what an earlier crash, here at the first name of the group, has left.

The count of visits is that of a driver which was not killed before: such a place begins a story.
"""


class Itinerary:
    """Where the driver is to be killed next. What one story does not pass, the next one begins with."""

    def __init__(self, names: Iterable[str]) -> None:
        self._left = deque(sorted(names, key=lambda name: (name not in _AFTER_A_CRASH, _place_of(name), name)))
        self._before: str | None = None

    @property
    def unvisited(self) -> int:
        """How many places are left."""
        return len(self._left)

    @property
    def here(self) -> str:
        """The place at which the driver is to die now; empty when all were visited."""
        return self._before or (self._left[0] if self._left else "")

    def begin(self) -> None:
        """Begin a story: where the first place needs a crash before it, with that."""
        self._before = _AFTER_A_CRASH.get(self.here)

    def leave(self) -> None:
        """Go on to the next place: the driver has died here."""
        if self._before is None:
            self._left.popleft()
        self._before = None


def _place_of(name: str) -> int:
    """Give where in the story a place is, by the room that it is in; unknown ones come last."""
    technology, _, rest = name.partition(".")
    room = f"{technology}.{rest.partition('.')[0]}"
    return next((at for at, known in enumerate(_ROOMS) if room == known or room.endswith(f".{known}")), len(_ROOMS))
