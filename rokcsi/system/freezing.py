"""The freeze window: writers of several file systems stopped, something cut, writers let go.

Called by the pool for its snapshots. Everything dirty is written out before the writers are
stopped; inside there are only the cuts. What cannot be frozen is cut first, while all the
others stand still; then each file system is thawed as soon as its own cut is done: all were
frozen together, so that nothing later can be in any cut. A watchdog
thaws if we die or take too long; a window it has ended is a broken one, and what was cut in
it is worth nothing.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rokcsi.model.errors import Busy, NotSupported, SystemCallFailed
from rokcsi.system.crew import Crew, Deed
from rokcsi.system.ioctls import freeze_filesystem, thaw_filesystem
from rokcsi.system.linking import flush_filesystem
from rokcsi.system.watchdog import FrozenPoint, NotLetGo, Watchdog


class MountPoints(Protocol):
    """Knows where devices are mounted."""

    def point_of(self, device: int) -> Path | None:
        """Give a folder at which this device is mounted; None when it is mounted nowhere."""


@dataclass(frozen=True, slots=True)
class FrozenCut:
    """A deed to be done while the file system of `device`, mounted at `point`, is frozen; None: nothing is to be frozen."""

    deed: Deed
    point: Path | None = None
    device: int = 0


class Freezer:
    """Stops writers for the length of some cuts."""

    def __init__(self, points: MountPoints, *, watchdog: Watchdog | None = None, crew: Crew | None = None) -> None:
        self.crew = crew or Crew()
        self._points = points
        self._watchdog = watchdog or Watchdog()

    def point_of(self, device: int) -> Path | None:
        """Give a folder at which this device is mounted; None when it is mounted nowhere (in this mount namespace)."""
        return self._points.point_of(device)

    def cut(self, cuts: Sequence[FrozenCut]) -> float:
        """Do all deeds at one instant; give for how many seconds writers were held up.

        What a deed raises is raised when all are thawed. Raises Busy when the window broke
        or a file system moved, NotSupported when one cannot be frozen, SystemCallFailed.
        """
        with ExitStack() as stack:
            opened = [
                stack.enter_context(_opened(cut.point, cut.device)) if cut.point is not None else None for cut in cuts
            ]
            points = [FrozenPoint(cut.device, cut.point) for cut in cuts if cut.point is not None]
            if not points:
                _raise_first(self.crew.run([cut.deed for cut in cuts]))
                return 0.0
            frozen = [fd for fd in opened if fd is not None]
            return self._window(points, frozen, lambda: self._cut_frozen(list(zip(cuts, opened, strict=True))))

    def cut_together(self, points: Sequence[FrozenPoint], deed: Deed, *, limit_seconds: float | None = None) -> float:
        """Do one deed while all these file systems are frozen; give for how many seconds writers were held up.

        The watchdog allows `limit_seconds` (None: its usual limit). Raises as `cut` does.
        """
        with ExitStack() as stack:
            frozen = [stack.enter_context(_opened(point.path, point.device)) for point in points]
            if not frozen:
                deed()
                return 0.0
            thaws = [_thawing(fd) for fd in frozen]
            return self._window(points, frozen, lambda: self.crew.run([deed]) + self.crew.run(thaws), limit_seconds)

    def _window(
        self,
        points: Sequence[FrozenPoint],
        fds: Sequence[int],
        cut_and_thaw: Callable[[], list[Exception | None]],
        limit_seconds: float | None = None,
    ) -> float:
        _raise_first(self.crew.run([lambda fd=fd: flush_filesystem(fd) for fd in fds]))  # type: ignore[misc]  # mypy has no type for a lambda's default
        with self._watchdog.watching(points, limit_seconds):
            began = time.monotonic()
            self._freeze_all(fds)
            outcomes = cut_and_thaw()
            window = time.monotonic() - began
            _raise_first(sorted(outcomes, key=_urgency))
        return window

    def _cut_frozen(self, cuts: Sequence[tuple[FrozenCut, int | None]]) -> list[Exception | None]:
        """Cut what is never frozen, then each of the others, and thaw that; all are thawed, whatever fails."""
        early = self.crew.run([cut.deed for cut, fd in cuts if fd is None])
        frozen = [(cut, fd) for cut, fd in cuts if fd is not None]
        if any(early):
            return early + self.crew.run([_thawing(fd) for _, fd in frozen])
        return early + self.crew.run([_deed_then_thaw(cut, fd) for cut, fd in frozen])

    def close(self) -> None:
        """Let the watchdog and the threads end."""
        self._watchdog.close()
        self.crew.close()

    def _freeze_all(self, fds: Sequence[int]) -> None:
        outcomes = self.crew.run([_freezing(fd) for fd in fds])
        if any(outcomes):
            thawed = [_thawing(fd) for fd, outcome in zip(fds, outcomes, strict=True) if outcome is None]
            _raise_first([*(outcome for outcome in self.crew.run(thawed) if isinstance(outcome, NotLetGo)), *outcomes])


def _urgency(outcome: Exception | None) -> int:
    """Order what several cuts raised: what must not be missed comes first."""
    return 0 if isinstance(outcome, NotLetGo) else 1 if isinstance(outcome, Busy) else 2


def thaw_all(points: Iterable[Path]) -> list[Path]:
    """Thaw every file system mounted at these points that a driver before us has left frozen; give those that were."""
    thawed = []
    for point in points:
        try:
            fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            thaw_filesystem(fd)
            thawed.append(point)
        except OSError:
            continue
        finally:
            os.close(fd)
    return thawed


@contextmanager
def _opened(point: Path, device: int) -> Iterator[int]:
    """Open a mount point, and make sure that it is still the file system meant: freezing another one is unforgivable."""
    try:
        fd = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Busy(f"{point} was unmounted while a snapshot was to be taken; try again") from error
    try:
        if os.fstat(fd).st_dev != device:
            raise Busy(f"{point} shows another file system than a moment ago; try again")
        yield fd
    finally:
        os.close(fd)


def _freezing(fd: int) -> Deed:
    def freeze() -> None:
        try:
            freeze_filesystem(fd)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise Busy("somebody else has frozen the file system; thaw it (fsfreeze -u), or try again") from error
            if error.errno == errno.EOPNOTSUPP:
                raise NotSupported("the volume's file system cannot be frozen for a snapshot") from error
            raise SystemCallFailed(f"the file system could not be frozen: {error.strerror}") from error

    return freeze


def _thawing(fd: int) -> Deed:
    def thaw() -> None:
        try:
            thaw_filesystem(fd)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise Busy(
                    "the file system was thawed before the cut was done, so the cut was thrown away: it took longer than "
                    "the watchdog allows, or somebody else thawed it; try again"
                ) from error
            raise NotLetGo(f"the file system could not be thawed: {error.strerror}") from error

    return thaw


def _deed_then_thaw(cut: FrozenCut, fd: int) -> Deed:
    thaw = _thawing(fd)

    def both() -> None:
        try:
            cut.deed()
        finally:
            thaw()

    return both


def _raise_first(outcomes: Iterable[Exception | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
