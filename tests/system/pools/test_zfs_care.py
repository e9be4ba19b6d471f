"""`rokcsi pool create`, `check` and `describe`, and `rokcsi doctor`, on disks that ZFS takes, and on those that it must not."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rokcsi.cli.rokcsi import app
from rokcsi.pools.zfs.records import POOL as MARK
from rokcsi.pools.zfs.records import VOLUME
from tests.fakes.loop_disks import LoopDisks, loop_disks
from tests.fakes.zfs_pools import zfs, zpool

pytestmark = [pytest.mark.lab, pytest.mark.slow]

GIB = 1 << 30
Rokcsi = Callable[..., Result]


@pytest.fixture
def tank() -> str:
    return f"care-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def disks(tmp_path: Path, tank: str) -> Iterator[LoopDisks]:
    with loop_disks(tmp_path) as disks:
        yield disks
        for pool in {tank, "other"}.intersection(zpool("list", "-H", "-o", "name").split()):
            zpool("destroy", "-f", pool)


@pytest.fixture
def rokcsi(tmp_path: Path, tank: str, monkeypatch: pytest.MonkeyPatch) -> Rokcsi:
    monkeypatch.setenv("ROKCSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROKCSI_CONFIG", "")

    def told(*words: str | Path) -> Result:
        return CliRunner().invoke(app, [*map(str, words), "--pool", f"zfs:{tank}/ours/here"])

    return told


def test_a_pool_is_made_from_disks_looked_at_and_described(rokcsi: Rokcsi, disks: LoopDisks, tank: str) -> None:
    given = [word for name in "ab" for word in ("--disk", disks.disk(name, GIB))]
    planned = rokcsi("pool", "create", *given, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert [line.split()[:2] for line in planned.stdout.splitlines() if line.startswith("    ")] == [
        ["zpool", "create"],
        ["zfs", "create"],
    ]
    assert planned.stdout.endswith("nothing was changed\n")
    assert tank not in zpool("list", "-H", "-o", "name").split()

    made = rokcsi("pool", "create", *given)
    assert made.exit_code == 0, made.output
    assert "mirror" in zpool("status", tank)
    looked = rokcsi("pool", "check")
    assert looked.exit_code == 0, looked.output
    assert "nothing left over" in looked.stdout
    described = json.loads(rokcsi("pool", "describe", "-o", "json").stdout)
    assert (described["name"], described["volumes"], described["snapshots"]) == (f"zfs:{tank}/ours/here", 0, 0)
    assert described["id"] in zfs("get", "-H", MARK, f"{tank}/ours/here")

    again = rokcsi("pool", "create")
    assert again.exit_code == 0
    assert described["id"] in again.stdout
    assert rokcsi("pool", "create", *given).exit_code != 0


def test_a_pool_is_made_in_a_zfs_pool_that_is_there_with_the_quota_asked_for(
    rokcsi: Rokcsi, disks: LoopDisks, tank: str
) -> None:
    zpool("create", "-O", "mountpoint=none", tank, str(disks.disk("a", 2 * GIB)))
    zfs("create", f"{tank}/theirs")
    assert rokcsi("pool", "create", "--size", "1Gi").exit_code == 0
    assert zfs("get", "-Hp", "-o", "value", "quota", f"{tank}/ours/here").strip() == str(GIB)
    assert json.loads(rokcsi("pool", "describe", "-o", "json").stdout)["capacity"]["total"] <= GIB
    zfs("list", f"{tank}/theirs")


@pytest.mark.parametrize("holding", ["a file system", "bytes", "a zfs pool", "an exported zfs pool", "no disk"])
def test_a_disk_that_holds_anything_is_refused_and_left_as_it_is(
    rokcsi: Rokcsi, disks: LoopDisks, holding: str, tmp_path: Path
) -> None:
    disk = disks.disk("a", GIB, "ext4" if holding == "a file system" else None)
    if holding == "bytes":
        with disk.open("r+b") as opened:
            opened.write(b"somebody's")
    elif "zfs" in holding:
        zpool("create", "-O", "mountpoint=none", "other", str(disk))
        if "exported" in holding:
            zpool("export", "other")
    given = tmp_path if holding == "no disk" else disk
    before = _beginning(disk)
    for dry in ((), ("--dry-run",)):
        refused = rokcsi("pool", "create", "--disk", given, *dry)
        assert refused.exit_code != 0
        assert str(given) in refused.output
    assert _beginning(disk) == before


def _beginning(disk: Path) -> bytes:
    with disk.open("rb") as opened:
        return opened.read(1 << 17)


def test_a_dataset_that_is_set_up_badly_is_told_with_what_to_do(rokcsi: Rokcsi, disks: LoopDisks, tank: str) -> None:
    assert rokcsi("pool", "create", "--disk", disks.disk("a", GIB)).exit_code == 0
    zfs("set", "sync=disabled", f"{tank}/ours/here")
    zfs("set", "com.sun:auto-snapshot=true", f"{tank}/ours/here")
    looked = rokcsi("pool", "check")
    assert looked.exit_code == 1
    told = " ".join(looked.stdout.split())
    for remedy in ("zpool attach", "zfs set sync=", "zfs set com.sun:auto-snapshot=false"):
        assert remedy in told


def test_a_dataset_of_somebody_elses_is_refused(rokcsi: Rokcsi, disks: LoopDisks, tank: str) -> None:
    zpool("create", "-O", "mountpoint=none", tank, str(disks.disk("a", GIB)))
    zfs("create", "-p", f"{tank}/ours/here")
    for words in (("pool", "create"), ("pool", "describe")):
        refused = rokcsi(*words)
        assert refused.exit_code != 0
        assert f"{tank}/ours/here" in refused.output


def test_the_doctor_names_what_is_damaged_and_leaves_strangers_alone(
    rokcsi: Rokcsi, disks: LoopDisks, tank: str
) -> None:
    assert rokcsi("pool", "create", "--disk", disks.disk("a", GIB)).exit_code == 0
    assert rokcsi("doctor").exit_code == 0
    damaged = f"{tank}/ours/here/v-0cc175b9c0f1b6a831c399e269772661"
    zfs("create", "-s", "-V", "4M", "-o", f"{VOLUME}=nonsense", damaged)
    zfs("create", "-s", "-V", "4M", f"{tank}/ours/here/theirs")
    subprocess.run(["udevadm", "settle"], check=True, timeout=60)
    found = rokcsi("doctor")
    assert found.exit_code == 1
    assert damaged in "".join(found.stdout.split())
    assert "theirs" not in found.stdout
    rokcsi("doctor", "--fix", "--yes")
    assert len(zfs("list", "-H", "-t", "volume", "-r", tank).splitlines()) == 2, "neither is removed"


def test_what_is_not_there_is_told_with_the_command_that_makes_it(rokcsi: Rokcsi, disks: LoopDisks, tank: str) -> None:
    for asked in ("describe", "check"):
        missing = rokcsi("pool", asked)
        assert missing.exit_code != 0
        assert f"zpool import {tank}" in missing.output
    zpool("create", "-O", "mountpoint=none", tank, str(disks.disk("a", GIB)))
    missing = rokcsi("pool", "describe")
    assert missing.exit_code != 0
    assert "rokcsi pool create" in missing.output
