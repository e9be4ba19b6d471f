"""Programs killed when they begin a request to the device mapper, so that tests can leave LVM half way wherever they like.

Counting all system calls does not do: how many LVM makes depends on what was done before. So the
program is traced here, as strace(1) would, and its requests are looked at; see ptrace(2). For x86-64.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence

from rokcsi.system.dm_ioctl import Verb

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long
_TRACE_ME, _PEEK_USER, _SET_OPTIONS, _TO_NEXT_CALL = 0, 3, 0x4200, 24
_MARK_CALLS = 1
_AT_A_CALL = signal.SIGTRAP | 0x80
# Where the kernel's struct user has these registers: which call it is, and its second argument.
_CALL, _SECOND = 15 * 8, 13 * 8
_IOCTL = 16
_DEVICE_MAPPER = 0xC138FD00


def killed_at(argv: Sequence[str], verb: Verb, visit: int = 1) -> None:
    """Run a program until it begins such a request for the `visit`-th time, which is not carried out any more."""
    process = subprocess.Popen(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: _ptrace(_TRACE_ME, 0),  # noqa: PLW1509 - a program is traced from its first call on, or not at all
    )
    visits, entering = 0, False
    while (stopped := _stop_of(process)) is not None:
        if stopped == _AT_A_CALL:
            entering = not entering
            visits += entering and _asked(process.pid) == _DEVICE_MAPPER | verb
            if visits == visit:
                process.kill()
        elif stopped == signal.SIGTRAP:
            _ptrace(_SET_OPTIONS, process.pid, _MARK_CALLS)
        _ptrace(_TO_NEXT_CALL, process.pid, stopped if stopped not in {_AT_A_CALL, signal.SIGTRAP} else 0)
    assert process.returncode == -signal.SIGKILL, f"{argv} was not killed: it ended with {process.returncode}"


def _stop_of(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for the program; give the signal that it has stopped with, None when it has ended."""
    _, told = os.waitpid(process.pid, 0)
    if os.WIFSTOPPED(told):
        return os.WSTOPSIG(told)
    process.returncode = os.waitstatus_to_exitcode(told)
    return None


def _asked(pid: int) -> int | None:
    """Give the request of the ioctl(2) that a stopped program has begun, None when it has begun another call."""
    if _ptrace(_PEEK_USER, pid, _CALL) != _IOCTL:
        return None
    return _ptrace(_PEEK_USER, pid, _SECOND) & 0xFFFFFFFF


def _ptrace(request: int, pid: int, word: int = 0) -> int:
    """Call ptrace(2); the word is the address of a question, and the data of an order."""
    address, data = (word, None) if request == _PEEK_USER else (None, word)
    return int(_LIBC.ptrace(request, pid, address, data))
