"""One guest: a kernel with real device-mapper and OpenZFS, in a process of this machine, that runs one script as root."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
HOUSE = HERE.parent.parent
NO_STATUS = 125
"""What is given for a guest that ended without telling how its script did."""
_CONSOLE_LINES = 30
_SCRATCH = "32G"
_MAKE_SCRATCH = ["mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard"]  # in the guest it takes ten seconds
# The kernel makes a process for each of the guest's; in a namespace of its own they all go with the first, and that with us.
_DYING_WITH_US = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest has: the programs it was built from, a CPU of the host, memory, disks, folders of the host.

    Disks are sizes ("8G"), seen in the guest as /dev/ubda, /dev/ubdb and so on. Folders are at the same
    places in the guest; all else that the guest writes to is in its memory and is gone with it.
    """

    built: Path
    cpu: int = 0
    memory: str = "3G"
    disks: Sequence[str] = ()
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    limit_seconds: float = 1800.0


class OutOfTime(Exception):
    """The guest was ended because it ran longer than it may."""


def run(machine: Machine, script: str, hear: Callable[[str], None]) -> int:
    """Boot, run a shell script in HOUSE, hand on what it says line by line; give its exit status.

    Raises OutOfTime. Whatever happens, no process and no file of the guest is left.
    """
    with _exchange(machine, script) as folder:
        process = _boot(machine, folder)
        assert process.stdout is not None
        listener = threading.Thread(target=_listen, args=(process.stdout, hear))
        listener.start()
        try:
            process.wait(machine.limit_seconds)
        except subprocess.TimeoutExpired:
            raise OutOfTime(f"the guest was ended after {machine.limit_seconds:.0f} s") from None
        finally:
            _end(process)
            listener.join()
        return _status(folder, hear)


def _disks(machine: Machine) -> Mapping[int, str]:
    """Give the sizes of the disks by their numbers; the last that a guest can have, /dev/ubdp, is its /tmp."""
    return {**dict(enumerate(machine.disks)), 15: _SCRATCH}


@contextmanager
def _exchange(machine: Machine, script: str) -> Iterator[Path]:
    """Give the folder that host and guest share while the guest lives: orders in, status out, disks beside."""
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-lab-"))
    try:
        shutil.copy(HERE / "guest" / "init", folder)
        modes = [("rw", path) for path in machine.writable] + [("ro", path) for path in machine.readable]
        (folder / "mounts").write_text("".join(f"{mode} {path}\n" for mode, path in modes))
        settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in machine.environment.items())
        (folder / "script").write_text(f"{settings}cd {shlex.quote(str(HOUSE))} || exit\n{script}\n")
        for number, size in _disks(machine).items():
            subprocess.run(["truncate", "--size", size, folder / f"disk{number}"], check=True)
        subprocess.run([*_MAKE_SCRATCH, folder / "disk15"], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def _boot(machine: Machine, folder: Path) -> subprocess.Popen[bytes]:
    """Start the kernel; its second console, where the script speaks, is the process's standard output."""
    cpus = sorted(os.sched_getaffinity(0))
    pinned = ["taskset", "--cpu-list", str(cpus[machine.cpu % len(cpus)])]  # unpinned it is three times slower
    kernel = [
        str(machine.built / "linux.uml"),
        "seccomp=auto",  # its processes trap their own system calls, where the host allows that; else it traces them
        f"mem={machine.memory}",
        "quiet",
        "init=/lab-init",
        f"exchange={folder}",
    ]
    kernel += ["root=/dev/root", "rootfstype=hostfs", f"rootflags={machine.built / 'root'}", "ro"]
    kernel += [f"ubd{number}={folder}/disk{number}" for number in _disks(machine)]
    with (folder / "console").open("wb") as console:
        kernel += ["con=null", f"con0=null,fd:{console.fileno()}", "con1=null,fd:1"]
        return subprocess.Popen(
            [*_DYING_WITH_US, *pinned, *kernel],
            env={**os.environ, "TMPDIR": "/dev/shm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=console,
            pass_fds=[console.fileno()],
            start_new_session=True,
        )


def _listen(output: IO[bytes], hear: Callable[[str], None]) -> None:
    for line in output:
        hear(line.decode(errors="replace").rstrip("\r\n"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the namespace that the kernel is the first process of: all the guest's processes are in it."""
    process.kill()
    process.wait()


def _status(folder: Path, hear: Callable[[str], None]) -> int:
    """Give what the guest has noted; where it has not, show what its kernel said last."""
    noted = folder / "status"
    if noted.exists() and noted.read_text().strip():
        return int(noted.read_text())
    for line in (folder / "console").read_text(errors="replace").splitlines()[-_CONSOLE_LINES:]:
        hear(f"kernel: {line}")
    return NO_STATUS


def built_guest() -> Path:
    """Give the folder of the built guest; build it the first time."""
    told = subprocess.run([HERE / "build-guest"], stdout=subprocess.PIPE, text=True, check=False)
    if told.returncode:
        sys.exit(told.returncode)
    return Path(told.stdout.strip())
