"""Records what the installed version of ZFS prints, into `tests/recordings/zfs-VERSION/`; run as root where there is ZFS.

python -m tests.recordings.record_zfs FOLDER_WITH_A_GIGABYTE_FREE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rokcsi.pools.zfs.store import program
from rokcsi.system.zfs import _COLUMNS
from rokcsi.system.zfs_programs import Argument, Program

POOL = "recorded"
OURS = f"{POOL}/ours"
RECORD = '{"r":1,"n":"a name with spaces, = and \\u00e9"}'
VOLUME, SNAPSHOT = "dev.rokcsi:volume", "dev.rokcsi:snapshot"
ZPOOL_PROPERTIES = "health,ashift,feature@async_destroy"
LIST = ",".join((*_COLUMNS, VOLUME, SNAPSHOT, "dev.rokcsi:deleted"))


class Recorder:
    """Runs commands and keeps what they printed, in their order."""

    def __init__(self) -> None:
        self.recorded: list[dict[str, object]] = []

    def run(self, name: str, *argv: str, stdin: str = "") -> None:
        """Run one command and keep what came of it."""
        ended = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "LC_ALL": "C"},
        )
        self.recorded.append(
            {
                "name": name,
                "argv": argv,
                "status": ended.returncode,
                "stdout": ended.stdout,
                "stderr": ended.stderr,
            }
        )

    def program(self, name: str, program: Program, arguments: Argument) -> None:
        """Run one channel program."""
        self.run(name, "zfs", "program", "-j", POOL, "-", stdin=program.given(arguments))


def quiet(*argv: str) -> None:
    """Run a command that is only there to prepare the next one."""
    subprocess.run(argv, check=True, timeout=120, stdout=subprocess.DEVNULL)


@contextmanager
def pool(disk: Path, size: int) -> Iterator[None]:
    """Give a fresh ZFS pool on a file."""
    disk.write_bytes(b"")
    os.truncate(disk, size)
    quiet("zpool", "create", "-O", "mountpoint=none", POOL, str(disk))
    quiet("zfs", "create", "-o", "volmode=dev", "-o", "dev.rokcsi:pool=" + "a" * 32, OURS)
    try:
        yield
    finally:
        subprocess.run(["zpool", "import", "-d", str(disk.parent), POOL], check=False, capture_output=True, timeout=60)
        quiet("zpool", "destroy", "-f", POOL)
        disk.unlink()


def record_volumes(to: Recorder) -> None:
    """Record volumes made, cloned, grown and listed, and what is refused of that."""
    made = ("zfs", "create", "-s", "-o", "volblocksize=16384", "-o", f"{VOLUME}={RECORD}", "-V")
    to.run("a volume is made", *made, "67108864", "--", f"{OURS}/v-1")
    to.run("a volume is there already", *made, "67108864", "--", f"{OURS}/v-1")
    to.run("the parent is missing", *made, "67108864", "--", f"{POOL}/nobody/v-1")
    to.run("a size that is no multiple is rounded up", *made, "67108865", "--", f"{OURS}/v-2")
    to.run("the block size is none", "zfs", "create", "-s", "-o", "volblocksize=5", "-V", "67108864", f"{OURS}/v-2")
    to.run("the block size is too large", "zfs", "create", "-s", "-o", "volblocksize=64M", "-V", "1G", f"{OURS}/v-2")
    to.run("the compression is none", "zfs", "create", "-s", "-o", "compression=best", "-V", "64M", f"{OURS}/v-2")
    to.run("a record is too long", "zfs", "create", "-s", "-o", f"{VOLUME}={'x' * 9000}", "-V", "64M", f"{OURS}/v-7")
    quiet("zfs", "snapshot", "-o", f"{SNAPSHOT}={RECORD}", f"{OURS}/v-1@s-1")
    clone = ("zfs", "clone", "-o", f"{VOLUME}={RECORD}")
    to.run("a snapshot is cloned", *clone, "--", f"{OURS}/v-1@s-1", f"{OURS}/v-3")
    to.run("a larger clone", *clone, "-o", "volsize=134217728", "--", f"{OURS}/v-1@s-1", f"{OURS}/v-4")
    to.run("the clone is there already", *clone, "--", f"{OURS}/v-1@s-1", f"{OURS}/v-3")
    to.run("the snapshot is missing", *clone, "--", f"{OURS}/v-1@s-9", f"{OURS}/v-5")
    to.run("a volume grows", "zfs", "set", "volsize=134217728", f"{OURS}/v-1")
    to.run("a volume that is missing grows", "zfs", "set", "volsize=134217728", f"{OURS}/v-9")
    to.run("a volume grows by no multiple", "zfs", "set", "volsize=134217729", f"{OURS}/v-1")
    to.run("a reservation that does not fit", "zfs", "set", "refreservation=100G", f"{OURS}/v-1")
    quiet("zfs", "destroy", "-d", f"{OURS}/v-1@s-1")
    quiet("zfs", "set", "dev.rokcsi:deleted=v-1", f"{OURS}/v-1")
    listing = ("zfs", "list", "-Hp", "-t", "volume,snapshot", "-o", LIST)
    to.run("everything is listed", *listing, "-r", "--", OURS)
    to.run("some are listed and some are missing", *listing, "--", f"{OURS}/v-3", f"{OURS}/v-9", f"{OURS}/v-1@s-9")
    to.run("a dataset that is missing is listed", *listing, "-r", "--", f"{POOL}/nobody")
    asked = ("zfs", "get", "-Hp", "-o", "name,property,value,source", "--")
    to.run("properties", *asked, "dev.rokcsi:pool,type,guid,volmode,snapdev,readonly", OURS)
    to.run("properties of those above", *asked, "used,available,quota", POOL, OURS)
    to.run("properties of a dataset that is missing", *asked, "dev.rokcsi:pool,type", f"{POOL}/nobody")
    to.run("properties in a pool that is missing", *asked, "dev.rokcsi:pool,type", "nobody/nobody")


def record_programs(to: Recorder) -> None:
    """Record what our channel programs return, and how one fails."""
    cut, bury = program("cut"), program("bury")
    quiet("zfs", "create", "-s", "-V", "64M", f"{OURS}/w-1")
    quiet("zfs", "create", "-s", "-V", "64M", f"{OURS}/w-2")
    quiet("udevadm", "settle")
    cuts = [{"name": f"{OURS}/w-{n}@s-1", "idle": RECORD, "in_use": RECORD} for n in (1, 2)]
    with Path(f"/dev/zvol/{OURS}/w-2").open("rb"):
        to.program("two are cut, one of them open", cut, cuts)
        to.program("one that is open is deleted", bury, [f"{OURS}/w-2"])
    to.program("they are cut again", cut, cuts)
    to.program("one of two is missing", cut, [*cuts, {"name": f"{OURS}/w-9@s-1", "idle": RECORD, "in_use": RECORD}])
    unwritable = {"name": f"{OURS}/w-1@s-3", "idle": "x" * 9000, "in_use": RECORD}
    to.program("a record is too long", cut, [{**cuts[0], "name": f"{OURS}/w-2@s-3"}, unwritable])
    quiet("zfs", "clone", f"{OURS}/w-1@s-1", f"{OURS}/w-3")
    to.program("a snapshot with a clone is deleted", bury, [f"{OURS}/w-1@s-1"])
    to.program("a volume with a snapshot is deleted", bury, [f"{OURS}/w-1"])
    to.program("the last clone is deleted, and all goes", bury, [f"{OURS}/w-3"])
    to.program("what is not there is deleted", bury, [f"{OURS}/w-3"])
    wanted = {"name": f"{OURS}/w-2", "property": VOLUME, "value": RECORD}
    to.program("something is described", program("describe"), [wanted, {**wanted, "name": f"{OURS}/w-9"}])
    to.program("something is measured", program("measure"), [f"{OURS}/w-2", f"{OURS}/w-9"])
    to.program("a program with a mistake", Program("return nobody.nothing"), [])
    to.run("a program in a pool that is missing", "zfs", "program", "-j", "nobody", "-", stdin="return {}")


def record_full(to: Recorder) -> None:
    """Record what is refused where there is no room: somebody has reserved all of it."""
    quiet("zfs", "create", "-s", "-V", "1G", f"{OURS}/v-1")
    quiet("zfs", "snapshot", f"{OURS}/v-1@s-1")
    asked = subprocess.run(["zfs", "get", "-Hp", "-o", "value", "available", POOL], capture_output=True, check=True)
    quiet("zfs", "create", "-o", f"reservation={int(asked.stdout) - (1 << 16)}", f"{POOL}/greedy")
    to.run("a volume is made in a full pool", "zfs", "create", "-s", "-V", "64M", "--", f"{OURS}/v-2")
    to.run("a snapshot is cloned in a full pool", "zfs", "clone", f"{OURS}/v-1@s-1", f"{OURS}/v-3")
    to.run("a volume grows in a full pool", "zfs", "set", "volsize=2G", f"{OURS}/v-1")
    cuts = [{"name": f"{OURS}/v-1@s-2", "idle": RECORD, "in_use": RECORD}]
    to.program("a cut in a full pool", program("cut"), cuts)
    to.program("a record in a full pool", program("describe"), [{"name": OURS, "property": VOLUME, "value": "x"}])
    to.program("a deletion in a full pool", program("bury"), [f"{OURS}/v-1"])
    quiet("zfs", "destroy", f"{POOL}/greedy")
    quiet("zfs", "set", "quota=1M", OURS)
    to.run("a snapshot is cloned beyond a quota", "zfs", "clone", f"{OURS}/v-1@s-1", f"{OURS}/v-3")
    to.run("more is reserved than a quota allows", "zfs", "set", "refreservation=1G", f"{OURS}/v-1")


def record_away(to: Recorder, disk: Path) -> None:
    """Record what is refused by a pool that is read-only, and by one that is exported."""
    quiet("zfs", "create", "-s", "-V", "64M", f"{OURS}/v-1")
    quiet("zfs", "snapshot", f"{OURS}/v-1@s-1")
    quiet("udevadm", "settle")
    quiet("zpool", "export", POOL)
    quiet("zpool", "import", "-o", "readonly=on", "-d", str(disk.parent), POOL)
    _record_refusals(to, "in a read-only pool")
    quiet("udevadm", "settle")
    quiet("zpool", "export", POOL)
    _record_refusals(to, "in a pool that is away")


def _record_refusals(to: Recorder, where: str) -> None:
    to.run(f"a volume is made {where}", "zfs", "create", "-s", "-V", "64M", "--", f"{OURS}/v-2")
    to.run(f"a snapshot is cloned {where}", "zfs", "clone", "--", f"{OURS}/v-1@s-1", f"{OURS}/v-2")
    to.run(f"a volume grows {where}", "zfs", "set", "volsize=128M", f"{OURS}/v-1")
    to.program(f"a deletion {where}", program("bury"), [f"{OURS}/v-1"])
    to.run(f"everything is listed {where}", "zfs", "list", "-Hp", "-t", "volume,snapshot", "-r", "--", OURS)


def record_pools(to: Recorder, folder: Path) -> None:
    """Record how pools of several layouts are shown."""
    disks = [str(folder / f"disk-{number}") for number in range(5)]
    for disk in disks:
        Path(disk).write_bytes(b"")
        os.truncate(disk, 200 << 20)
    layouts = {
        "a pool of one disk": disks[:1],
        "a pool of one disk with a cache": [disks[0], "cache", disks[1]],
        "a pool of mirrors with a log": ["mirror", *disks[:2], "mirror", *disks[2:4], "log", disks[4]],
        "a pool of raidz": ["raidz", *disks[:4]],
        "a pool of a disk and a mirror": ["-f", disks[0], "mirror", *disks[1:3]],
    }
    for name, layout in layouts.items():
        force = [word for word in layout if word == "-f"]
        quiet("zpool", "create", *force, "-O", "mountpoint=none", "shown", *[word for word in layout if word != "-f"])
        to.run(f"{name} is listed", "zpool", "list", "-Hv", "shown")
        to.run(f"{name} has properties", "zpool", "get", "-Hp", "-o", "value", ZPOOL_PROPERTIES, "shown")
        quiet("zpool", "destroy", "-f", "shown")
    to.run("a pool that is missing is listed", "zpool", "list", "-Hv", "nobody")
    for disk in disks:
        Path(disk).unlink()


def main() -> None:
    """Record everything, each part on a pool of its own."""
    disk = Path(sys.argv[1]) / "recorded.img"
    shown = subprocess.run(["zfs", "version"], capture_output=True, text=True, check=True, timeout=10).stdout
    version = shown.split()[0].removeprefix("zfs-").partition("-")[0]
    folder = Path(__file__).parent / f"zfs-{version}"
    folder.mkdir(exist_ok=True)
    parts = (
        ("volumes", 1 << 30, record_volumes),
        ("programs", 1 << 30, record_programs),
        ("full", 128 << 20, record_full),
        ("away", 1 << 30, lambda to: record_away(to, disk)),
        ("pools", 1 << 30, lambda to: record_pools(to, disk.parent)),
    )
    for name, size, record in parts:
        recorder = Recorder()
        with pool(disk, size):
            record(recorder)
            time.sleep(1)  # let udev look at the last devices
        path = folder / f"{name}.json"
        path.write_text(json.dumps(recorder.recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
