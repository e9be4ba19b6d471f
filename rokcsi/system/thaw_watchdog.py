"""The program that thaws file systems when the driver that froze them is gone or too slow.

Started by `watchdog.Watchdog` as a script, alone and without site-packages: it may import
nothing of ours. It reads lines from its standard input, `arm ID DEVICE:PATH…` (the path's
bytes in hexadecimal) and `disarm ID`. What is armed it thaws when the time given as its
argument has passed, or at once when the pipe closes; then it ends. What is not frozen yet,
since freezing takes so long, is tried again until it is disarmed, or for a few seconds after
the pipe has closed.
"""

import fcntl
import os
import select
import signal
import sys
import time

_FITHAW = 0xC0045878
_AGAIN_SECONDS = 0.2
_AFTERWARDS_SECONDS = 3.0
_Frozen = list[tuple[int, bytes]]


def thaw(device: int, path: bytes) -> bool:
    """Thaw the file system at a path if it is still the one meant; False when it is and cannot be thawed now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        if os.fstat(fd).st_dev == device:
            fcntl.ioctl(fd, _FITHAW, 0)
    except OSError:
        return False
    else:
        return True
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
        """Thaw everything whose time has come by `now`; what could not be thawed is due again a little later."""
        for id_, (until, systems) in list(self._frozen.items()):
            if until <= now:
                left = [(device, path) for device, path in systems if not thaw(device, path)]
                del self._frozen[id_]
                if left:
                    self._frozen[id_] = (time.monotonic() + _AGAIN_SECONDS, left)

    def thaw_to_the_end(self) -> None:
        """Thaw everything; nobody is there any more to disarm what cannot be thawed yet."""
        until = time.monotonic() + _AFTERWARDS_SECONDS
        self.thaw_due(float("inf"))
        while self._frozen and time.monotonic() < until:
            time.sleep(_AGAIN_SECONDS)
            self.thaw_due(float("inf"))


def watch(pipe: int, limit_seconds: float) -> None:
    """Follow the pipe to its end."""
    armed, rest = Armed(limit_seconds), b""
    while True:
        if select.select([pipe], [], [], armed.wait_seconds())[0]:
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                armed.thaw_to_the_end()
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
