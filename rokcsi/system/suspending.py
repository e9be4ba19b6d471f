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
from collections.abc import Callable, Iterable, Sequence

from rokcsi.model.errors import Busy, SystemCallFailed
from rokcsi.system.crew import Crew, Deed
from rokcsi.system.device_mapper import DeviceMapper, DeviceMapperRefused, MappedDevice
from rokcsi.system.freezing import MountPoints
from rokcsi.system.linking import flush_filesystem
from rokcsi.system.suspension_clock import SuspensionClock
from rokcsi.system.watchdog import LentDevice, NotLetGo, SuspendedDevice, Watchdog

_LENT_SECONDS = 600.0


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
        self._write_out(names)
        armed = time.monotonic()
        with self._watchdog.watching([SuspendedDevice(name) for name in names], limit_seconds):
            began = time.monotonic()
            self._suspend_all(names)
            try:
                deed()
                if time.monotonic() - armed >= limit_seconds or not self._all_suspended(names):
                    raise Busy(_BROKEN)
            finally:
                self._resume_all(names)
            return time.monotonic() - began

    def lend(self, name: str, deed: Deed) -> float:
        """Do a deed that suspends and resumes a device itself, as LVM's commands do; give for how many seconds it did.

        Should we die, the watchdog leaves it the time to end; should it end without having
        resumed the device, we do. Raises as `cut` does.
        """
        self._write_out([name])
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

    def _write_out(self, names: Sequence[str]) -> None:
        devices = [_running(self._mapper, name) for name in names]
        _raise_first(self.crew.run([self._flushing(device) for device in devices]))

    def _suspend_all(self, names: Sequence[str]) -> None:
        outcomes = self.crew.run([self._suspending(name) for name in names])
        if any(outcomes):
            self._resume_all(names)
            _raise_first(outcomes)

    def _all_suspended(self, names: Sequence[str]) -> bool:
        looked = [self._mapper.look(name) for name in names]
        return all(device is not None and device.suspended for device in looked)

    def _resume_all(self, names: Sequence[str]) -> None:
        _raise_first(self.crew.run([self._resuming(name) for name in names]))

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

    def _resuming(self, name: str) -> Deed:
        def resume() -> None:
            try:
                self._mapper.resume(name)
            except DeviceMapperRefused as error:
                if error.code != errno.ENXIO:
                    raise NotLetGo(f"the device {name} could not be resumed: {error}") from error

        return resume

    def _flushing(self, device: MappedDevice) -> Deed:
        """Write out what is dirty, so that little is left to do once the writers are stopped."""

        def flush() -> None:
            point = self._points.point_of(device.device)
            where = device.node if point is None else point
            try:
                _flush(os.fspath(where), os.fsync if point is None else flush_filesystem)
            except FileNotFoundError:
                return
            except OSError as error:
                raise SystemCallFailed(f"{where} could not be written out: {error.strerror}") from error

        return flush


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


def _flush(where: str, flush: Callable[[int], None]) -> None:
    fd = os.open(where, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flush(fd)
    finally:
        os.close(fd)


def _raise_first(outcomes: Iterable[Exception | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
