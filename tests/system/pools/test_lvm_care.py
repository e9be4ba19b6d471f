"""`rokcsi pool create`, `check` and `describe`, and `rokcsi doctor`, on disks that LVM takes, and on those that it must not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rokcsi.cli.rokcsi import app
from tests.fakes.loop_disks import LoopDisks, loop_disks, run

pytestmark = [pytest.mark.lab, pytest.mark.slow]

GROUP = "care"
POOL = f"lvm:{GROUP}/thin"
GIB = 1 << 30
Rokcsi = Callable[..., Result]


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    with loop_disks(tmp_path) as disks:
        yield disks
        with suppress(AssertionError):
            run("vgremove", "--yes", "--force", "--force", GROUP)


@pytest.fixture
def rokcsi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rokcsi:
    monkeypatch.setenv("ROKCSI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROKCSI_CONFIG", "")

    def told(*words: str | Path) -> Result:
        return CliRunner().invoke(app, [*map(str, words), "--pool", POOL])

    return told


def lvs(fields: str) -> str:
    return run("lvs", "--noheadings", "--options", fields, f"{GROUP}/thin").strip()


def test_a_pool_is_made_from_disks_looked_at_and_described(rokcsi: Rokcsi, disks: LoopDisks) -> None:
    given = [word for name in "ab" for word in ("--disk", disks.disk(name, 2 * GIB))]
    planned = rokcsi("pool", "create", *given, "--dry-run")
    assert planned.exit_code == 0
    assert [line.split()[1] for line in planned.stdout.splitlines() if line.startswith("    ")] == [
        "pvcreate",
        "vgcreate",
        "lvcreate",
    ]
    assert planned.stdout.endswith("nothing was changed\n")
    assert GROUP not in run("vgs", "--noheadings", "--options", "vg_name").split()

    made = rokcsi("pool", "create", *given)
    assert made.exit_code == 0, made.output
    assert lvs("lv_when_full,zero,discards").split() == ["error", "zero", "passdown"]
    assert "rokcsi.pool:lvm:" in lvs("lv_tags")
    assert run("vgs", "--noheadings", "--units", "m", "--options", "vg_mda_size", GROUP).split("m")[0] >= "64"
    looked = rokcsi("pool", "check")
    assert looked.exit_code == 0, looked.output
    assert "room for the volume group's own metadata" in looked.stdout
    assert "nothing left over" in looked.stdout
    described = json.loads(rokcsi("pool", "describe", "-o", "json").stdout)
    assert (described["name"], described["volumes"], described["snapshots"]) == (POOL, 0, 0)
    assert described["capacity"]["total"] > 3 * GIB

    again = rokcsi("pool", "create")
    assert again.exit_code == 0
    assert described["id"] in again.stdout
    assert rokcsi("pool", "create", *given).exit_code != 0


def test_a_pool_is_made_in_a_volume_group_that_is_there_of_the_size_asked_for(rokcsi: Rokcsi, disks: LoopDisks) -> None:
    run("vgcreate", GROUP, disks.disk("a", 2 * GIB))
    run("lvcreate", "--size", "64m", "--name", "theirs", GROUP)
    assert rokcsi("pool", "create", "--size", "1Gi").exit_code == 0
    assert lvs("lv_size") == "1.00g"
    too_large = rokcsi("pool", "create", "--size", "5Ti")
    assert too_large.exit_code == 0, "one that is there stays as it is"
    assert "theirs" in run("lvs", "--noheadings", "--options", "lv_name", GROUP)


@pytest.mark.parametrize("holding", ["a file system", "bytes", "a volume group", "no disk"])
def test_a_disk_that_holds_anything_is_refused_and_left_as_it_is(
    rokcsi: Rokcsi, disks: LoopDisks, holding: str, tmp_path: Path
) -> None:
    disk = disks.disk("a", GIB, "ext4" if holding == "a file system" else None)
    if holding == "bytes":
        with disk.open("r+b") as opened:
            opened.write(b"somebody's")
    elif holding == "a volume group":
        run("vgcreate", "other", disk)
    given = tmp_path if holding == "no disk" else disk
    before = disk.read_bytes()[: 1 << 20]
    try:
        for dry in ((), ("--dry-run",)):
            refused = rokcsi("pool", "create", "--disk", given, *dry)
            assert refused.exit_code != 0
            assert str(given) in refused.output
        assert disk.read_bytes()[: 1 << 20] == before
    finally:
        if holding == "a volume group":
            run("vgremove", "--yes", "other")


def test_a_pool_that_is_set_up_badly_is_told_with_what_to_do(rokcsi: Rokcsi, disks: LoopDisks) -> None:
    run("vgcreate", GROUP, disks.disk("a", 2 * GIB))
    run("lvcreate", "--zero", "n", "--size", "512m", "--thin", f"{GROUP}/thin")
    looked = rokcsi("pool", "check")
    assert looked.exit_code == 1
    for remedy in (f"lvchange --zero y {GROUP}/thin", f"lvchange --errorwhenfull y {GROUP}/thin"):
        assert remedy in " ".join(looked.stdout.split())


def test_the_doctor_finds_and_clears_what_a_crash_has_left(rokcsi: Rokcsi, disks: LoopDisks) -> None:
    run("vgcreate", GROUP, disks.disk("a", 2 * GIB))
    assert rokcsi("pool", "create", "--size", "1Gi").exit_code == 0
    well = rokcsi("doctor")
    assert well.exit_code == 0, well.output
    run("lvcreate", "--thin", "--virtualsize", "4m", "--addtag", "rokcsi:nx", "--name", "theirs", f"{GROUP}/thin")
    run("lvcreate", "--thin", "--virtualsize", "4m", "--name", "v-0cc175b9c0f1b6a831c399e269772661", f"{GROUP}/thin")
    found = rokcsi("doctor")
    assert found.exit_code == 1
    assert "none of ours" in " ".join(found.stdout.split())
    assert rokcsi("doctor", "--fix", "--yes").exit_code == 1
    assert len(run("lvs", "--noheadings", "--options", "lv_name", GROUP).split()) == 3, "what others made stays"


def test_what_is_not_there_is_told_with_the_command_that_makes_it(rokcsi: Rokcsi) -> None:
    for asked in ("describe", "check"):
        missing = rokcsi("pool", asked)
        assert missing.exit_code != 0
        assert "rokcsi pool create" in missing.output
