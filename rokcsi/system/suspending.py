"""The suspend window: what `freezing` is for file systems, for devices of the device mapper.

Called by the pools on thin volumes. Suspending a device freezes the file system on it, and
stops raw writers too, so several raw volumes can be cut at one instant. Everything dirty is
written out before; inside there is only the deed. The watchdog resumes if we die or take too
long; a window it has ended is a broken one, and what was cut in it is worth nothing.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import Busy, SystemCallFailed
from rokcsi.system.crew import Crew, Deed
from rokcsi.system.device_mapper import DeviceMapper, DeviceMapperRefused, MappedDevice
from rokcsi.system.freezing import MountPoints
from rokcsi.system.linking import flush_filesystem
from rokcsi.system.suspension_clock import SuspensionClock
from rokcsi.system.watchdog import LentDevice, NotLetGo, SuspendedDevice, Watchdog

_LENT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Device:
    """A device that is to stand still, and where its file system is mounted, as far as we can see."""

    name: str
    node: Path
    point: Path | None


class Suspender:
    """Stops the writers of mapped devices for the length of one deed."""

    def __init__(
        self,
        mapper: DeviceMapper,
        points: MountPoints,
        *,
        watchdog: Watchdog | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.crew = crew or Crew()
        self._mapper = mapper
        self._points = points
        self._watchdog = watchdog or Watchdog()

    def cut(self, names: Sequence[str], deed: Deed, *, limit_seconds: float = 2.0) -> float:
        """Do a deed while all these devices stand still; give for how many seconds writers were held up.

        After `limit_seconds` the watchdog resumes them. What the deed raises is raised when all
        are resumed. Raises Busy when the window broke, when somebody else has suspended a
        device, and when a device went away; DeviceMapperRefused.
        """
        if not names:
            deed()
            return 0.0
        standing = self._written_out(names)
        armed = time.monotonic()
        with self._watchdog.watching([SuspendedDevice(name) for name in names], limit_seconds):
            began = time.monotonic()
            self._suspend_all(standing)
            try:
                deed()
                in_time = time.monotonic() - armed < limit_seconds
            except BaseException:
                self._resume_all(names)
                raise
            stood_still = self._resume_all(names)
            window = time.monotonic() - began
            if not (in_time and stood_still):
                raise Busy(_BROKEN)
            return window

    def lend(self, name: str, deed: Deed) -> float:
        """Do a deed that suspends and resumes a device itself, as LVM's commands do; give for how many seconds it did.

        Should we die, the watchdog leaves it the time to end; should it end without having
        resumed the device, we do. Raises as `cut` does.
        """
        self._written_out([name])
        with self._watchdog.watching([LentDevice(name)], _LENT_SECONDS):
            try:
                with SuspensionClock(self._mapper, name) as clock:
                    deed()
            finally:
                self._resume_all([name])
        return clock.seconds

    def close(self) -> None:
        """Let the watchdog and the threads end."""
        self._watchdog.close()
        self.crew.close()

    def _written_out(self, names: Sequence[str]) -> Sequence[_Device]:
        devices = [self._standing(name) for name in names]
        self._side_by_side([_flushing(device) for device in devices])
        return devices

    def _standing(self, name: str) -> _Device:
        device = _running(self._mapper, name)
        return _Device(name, device.node, self._points.point_of(device.device))

    def _suspend_all(self, devices: Sequence[_Device]) -> None:
        try:
            self._side_by_side([self._suspending(device.name) for device in devices])
        except BaseException:
            self._resume_all([device.name for device in devices])
            raise

    def _side_by_side(self, deeds: Sequence[Deed]) -> None:
        """Do them all at once: each suspension waits for a grace period of the kernel's, and they share it."""
        _raise_first(self.crew.run(deeds))

    def _resume_all(self, names: Sequence[str]) -> bool:
        """Resume all, whatever fails; tell whether all stood still until now."""
        # One by one: no resuming waits for anything, and a thread's hand-over costs more than it.
        outcomes = [self._resumed(name) for name in names]
        _raise_first(outcome for outcome in outcomes if isinstance(outcome, Exception))
        return all(outcomes)

    def _resumed(self, name: str) -> bool | Exception:
        try:
            return self._mapper.resume(name)
        except DeviceMapperRefused as error:
            if error.code == errno.ENXIO:
                return False
            return NotLetGo(f"the device {name} could not be resumed: {error}")

    def _suspending(self, name: str) -> Deed:
        def suspend() -> None:
            try:
                self._mapper.suspend(name)
            except DeviceMapperRefused as error:
                if error.code in {errno.EBUSY, errno.ENXIO}:
                    raise Busy(
                        f"the device {name} could not be suspended: it went away, or somebody else has frozen its "
                        "file system (thaw it with fsfreeze -u); try again"
                    ) from error
                raise

        return suspend


_BROKEN = (
    "a device was resumed before the cut was done, so the cut was thrown away: it took longer than the watchdog "
    "allows, or somebody else resumed it; try again"
)


def resume_left_suspended(mapper: DeviceMapper, names: Iterable[str]) -> list[str]:
    """Resume those of these devices that a driver before us has left suspended; give them."""
    found = []
    for name in names:
        device = mapper.look(name)
        if device is not None and device.suspended and device.live:
            mapper.resume(name)
            found.append(name)
    return found


def _running(mapper: DeviceMapper, name: str) -> MappedDevice:
    device = mapper.look(name)
    if device is None:
        raise Busy(f"the device {name} went away while a snapshot was to be taken; try again")
    if device.suspended:
        raise Busy(f"somebody else has suspended the device {name}; resume it (dmsetup resume {name}), or try again")
    return device


def _flushing(device: _Device) -> Deed:
    """Write out what is dirty, so that little is left to do once the writers are stopped."""

    def flush() -> None:
        where = device.node if device.point is None else device.point
        try:
            fd = os.open(where, os.O_RDONLY | os.O_CLOEXEC)
            try:
                (os.fsync if device.point is None else flush_filesystem)(fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SystemCallFailed(f"{where} could not be written out: {error.strerror}") from error

    return flush


def _raise_first(outcomes: Iterable[Exception | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
