"""The program that thaws file systems when the driver that froze them is gone or too slow.

Started by `watchdog.Watchdog` as a script, alone and without site-packages: it may import
nothing of ours. It reads lines from its standard input, `arm ID DEVICE:PATH…` (the path's
bytes in hexadecimal) and `disarm ID`. What is armed it thaws when the time given as its
argument has passed, or at once when the pipe closes; then it ends.
"""

import fcntl
import os
import select
import signal
import sys
import time

_FITHAW = 0xC0045878
_Frozen = list[tuple[int, bytes]]


def thaw(device: int, path: bytes) -> None:
    """Thaw the file system at a path if it is still the one meant; there is nobody to tell when it cannot be."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        if os.fstat(fd).st_dev == device:
            fcntl.ioctl(fd, _FITHAW, 0)
    except OSError:
        pass
    finally:
        os.close(fd)


class Armed:
    """What is to be thawed, and when."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._frozen: dict[bytes, tuple[float, _Frozen]] = {}

    def hear(self, line: bytes) -> None:
        """Follow one line of the driver's."""
        verb, id_, *systems = line.split()
        if verb == b"disarm":
            self._frozen.pop(id_, None)
        elif verb == b"arm":
            pairs = [system.split(b":") for system in systems]
            named = [(int(device), bytes.fromhex(path.decode())) for device, path in pairs]
            self._frozen[id_] = (time.monotonic() + self._limit, named)

    def wait_seconds(self) -> float | None:
        """Give how long nothing is due; None when nothing is armed."""
        due = [until for until, _ in self._frozen.values()]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def thaw_due(self, now: float) -> None:
        """Thaw everything whose time has come by `now`."""
        for id_, (until, systems) in list(self._frozen.items()):
            if until <= now:
                del self._frozen[id_]
                for device, path in systems:
                    thaw(device, path)


def watch(pipe: int, limit_seconds: float) -> None:
    """Follow the pipe to its end."""
    armed, rest = Armed(limit_seconds), b""
    while True:
        if select.select([pipe], [], [], armed.wait_seconds())[0]:
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                armed.thaw_due(float("inf"))
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                armed.hear(line)
        armed.thaw_due(time.monotonic())


if __name__ == "__main__":
    # A service manager's "end, all of you" is for the driver; we end when the driver has.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(0, float(sys.argv[1]))
