"""The program that lets writers go when the driver that stopped them is gone or too slow.

Started by `watchdog.Watchdog` as a script, alone and without site-packages: it may import
nothing of ours. It reads lines from its standard input, `arm ID SECONDS THING…` and
`disarm ID`. A thing is a frozen file system, `point:DEVICE:PATH`, a suspended device of the device
mapper, `device:NAME`, or one that a command of the driver's suspends and resumes, `lent:NAME`
(path and name in hexadecimal); that command may outlive the driver, and is left some time. What is armed it thaws or resumes when that many seconds
have passed, or at once when the pipe closes; then it ends. What is not stopped yet,
since stopping takes so long, is tried again until it is disarmed, or for a few seconds after
the pipe has closed.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import time

_FITHAW = 0xC0045878
# linux/dm-ioctl.h: version, size, start, three numbers, event, device, name and UUID; SUSPEND without its flag resumes.
_DM_HEAD = struct.Struct("=3I2IIiII4xQ128s129s7x")
_DM_CONTROL = "/dev/mapper/control"
_DM_SUSPEND, _DM_LOOK = 0xC138FD06, 0xC138FD07
_DM_SUSPENDED = 1 << 1
_DM_FLAGS_AT = 28
_AGAIN_SECONDS = 0.2
_AFTERWARDS_SECONDS = 3.0
_LENT_SECONDS = 1.5


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


def resume(name: bytes) -> bool:
    """Resume the mapped device of a name; False when it is there and not suspended now, or cannot be resumed."""
    try:
        control = os.open(_DM_CONTROL, os.O_RDWR)
    except OSError:
        return True
    try:
        if not _flags(control, _DM_LOOK, name) & _DM_SUSPENDED:
            return False
        _flags(control, _DM_SUSPEND, name)
    except OSError as error:
        return error.errno == errno.ENXIO
    else:
        return True
    finally:
        os.close(control)


def _flags(control: int, request: int, name: bytes) -> int:
    buffer = bytearray(_DM_HEAD.size)
    _DM_HEAD.pack_into(buffer, 0, 4, 0, 0, _DM_HEAD.size, _DM_HEAD.size, 0, 0, 0, 0, 0, name, b"")
    fcntl.ioctl(control, request, buffer)
    return int.from_bytes(buffer[_DM_FLAGS_AT : _DM_FLAGS_AT + 4], sys.byteorder)


def let_go(thing: bytes) -> bool:
    """Thaw or resume one thing; False when that has to be tried again."""
    kind, *words = thing.split(b":")
    if kind in {b"device", b"lent"}:
        return resume(bytes.fromhex(words[0].decode()))
    return thaw(int(words[0]), bytes.fromhex(words[1].decode()))


class Armed:
    """What is to be let go, and when."""

    def __init__(self) -> None:
        self._stopped: dict[bytes, tuple[float, list[bytes]]] = {}

    def hear(self, line: bytes) -> None:
        """Follow one line of the driver's."""
        verb, id_, *words = line.split()
        if verb == b"disarm":
            self._stopped.pop(id_, None)
        elif verb == b"arm":
            self._stopped[id_] = (time.monotonic() + float(words[0]), words[1:])

    def wait_seconds(self) -> float | None:
        """Give how long nothing is due; None when nothing is armed."""
        due = [until for until, _ in self._stopped.values()]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def let_go_due(self, now: float, *, lent: bool = True) -> None:
        """Let go everything whose time has come by `now`; what could not be is due again a little later, as is what is lent."""
        for id_, (until, things) in list(self._stopped.items()):
            if until <= now:
                left = [thing for thing in things if (not lent and thing.startswith(b"lent:")) or not let_go(thing)]
                del self._stopped[id_]
                if left:
                    self._stopped[id_] = (time.monotonic() + _AGAIN_SECONDS, left)

    def let_go_to_the_end(self) -> None:
        """Let everything go; nobody is there any more to disarm what cannot be let go yet."""
        closed = time.monotonic()
        self.let_go_due(float("inf"), lent=False)
        while self._stopped and time.monotonic() < closed + _AFTERWARDS_SECONDS:
            time.sleep(_AGAIN_SECONDS)
            self.let_go_due(float("inf"), lent=time.monotonic() >= closed + _LENT_SECONDS)


def lie_low() -> None:
    """Let whoever tells us something go on first: on one processor we would run inside the window that is being told of."""
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:  # forbidden here, and only slower
        return


def watch(pipe: int) -> None:
    """Follow the pipe to its end."""
    armed, rest = Armed(), b""
    while True:
        if select.select([pipe], [], [], armed.wait_seconds())[0]:
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                armed.let_go_to_the_end()
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                armed.hear(line)
        armed.let_go_due(time.monotonic())


if __name__ == "__main__":
    # A service manager's "end, all of you" is for the driver; we end when the driver has.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lie_low()
    watch(0)
