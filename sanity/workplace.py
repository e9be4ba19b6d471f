"""A folder for one run, and what has to be gone before it can be removed: mounts, loop devices, the driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LAYERS = 3


class DriverDidNotStart(Exception):
    """The driver ended, or said nothing, before it served."""


@contextmanager
def workplace() -> Iterator[Path]:
    """Give an empty folder with a short path; afterwards nothing of it is left, mounted or attached."""
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-sanity-"))
    try:
        yield folder
    finally:
        _clear(folder)
        if not _mounts_below(folder):  # never delete through a mount that stayed
            shutil.rmtree(folder)


def pool_for(folder: Path) -> str:
    """Give the pool to serve: the one that ROKCSI_TEST_POOL names, which is empty, else a fresh one in the folder."""
    return os.environ.get("ROKCSI_TEST_POOL") or f"loopfile:{folder / 'pool'}"


@contextmanager
def driver(rokcsi: Path, folder: Path, log: Path, *arguments: str) -> Iterator[str]:
    """Serve the pool of `pool_for`, with more arguments; give the endpoint once the driver says that it serves."""
    endpoint = f"unix://{folder}/run/csi.sock"
    command = [str(rokcsi), "serve", "all", "--endpoint", endpoint, "--pool", pool_for(folder), "--node-id", "sanity"]
    command += arguments
    environment = {**os.environ, "ROKCSI_RECORDS": str(folder / "records")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait_until_it_serves(process, log)
            yield endpoint
        finally:
            _stop(process)


def _wait_until_it_serves(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while b"serves" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DriverDidNotStart(f"the driver does not serve; it said:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _mounts_below(folder: Path) -> list[str]:
    """Give the mount points below a folder, innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if Path(point).is_relative_to(folder)]


def _clear(folder: Path) -> None:
    """Unmount and detach from the inside out: pods' mounts, volumes' devices, the pool's mount, its device.

    Never lazily: a device whose file lies in a mount that was taken away cannot be found again.
    """
    for _ in range(_LAYERS):
        for point in _mounts_below(folder):
            subprocess.run(["umount", "--", point], check=False, timeout=30, stderr=subprocess.DEVNULL)
        for device in _devices_below(folder):
            subprocess.run(["losetup", "--detach", device], check=False, timeout=30)


def _devices_below(folder: Path) -> list[str]:
    """Give the loop devices whose files lie below a folder."""
    files = {
        f"/dev/{path.parts[-3]}": Path(path.read_text().strip().removesuffix(" (deleted)"))
        for path in Path("/sys/block").glob("loop*/loop/backing_file")
    }
    return [device for device, file in files.items() if file.is_relative_to(folder)]
