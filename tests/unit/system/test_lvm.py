from __future__ import annotations

import json
from pathlib import Path

import pytest

from rokcsi.model.sizes import Bytes
from rokcsi.system.command import Completed
from rokcsi.system.lvm import Lvm, NewThinVolume, mapped_name
from rokcsi.system.lvm_refusals import LvmRefused, Reason
from rokcsi.system.lvm_settings import settings
from tests.fakes.scripted_runner import ScriptedRunner

RECORDINGS = Path(__file__).parents[2] / "recordings" / "lvm-2.03.16"


@pytest.fixture
def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
def lvm(runner: ScriptedRunner) -> Lvm:
    return Lvm(runner, "vg")


def words(runner: ScriptedRunner) -> list[str]:
    """Give the words of the only command, without the settings."""
    [argv] = runner.calls
    assert argv[0] == "lvm"
    assert argv[2] == "--config"
    return [argv[1], *argv[4:]]


def test_a_volume_is_made_inactive_with_its_tags_and_left_alone_by_the_boot(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.create(NewThinVolume("v-1", ("rokcsi:na", "rokcsi.1:b")), Bytes(4096), "pool")
    assert words(runner) == [
        *("lvcreate", "--name", "v-1", "--addtag=rokcsi:na", "--addtag=rokcsi.1:b"),
        *("--activate", "n", "--setactivationskip", "y", "--permission", "rw"),
        *("--type", "thin", "--virtualsize", "4096b", "--thinpool", "pool", "--", "vg"),
    ]


def test_a_snapshot_is_one_command(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.snapshot(NewThinVolume("s-1", readonly=True), "v-1")
    assert words(runner) == [
        *("lvcreate", "--name", "s-1", "--activate", "n", "--setactivationskip", "y", "--permission", "r"),
        *("--snapshot", "--", "vg/v-1"),
    ]


def test_several_volumes_are_removed_by_one_command(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.remove(["s-1", "s-2"])
    assert words(runner) == ["lvremove", "--yes", "--force", "--", "vg/s-1", "vg/s-2"]


def test_tags_change_in_one_command(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.retag(["v-1"], add=["rokcsi:na"], remove=["rokcsi:nb"])
    assert words(runner) == ["lvchange", "--deltag=rokcsi:nb", "--addtag=rokcsi:na", "--", "vg/v-1"]


def test_a_device_comes_and_goes(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.activate("v-1")
    assert words(runner) == ["lvchange", "--activate", "y", "--ignoreactivationskip", "--", "vg/v-1"]
    runner.calls.clear()
    lvm.deactivate("v-1")
    assert words(runner) == ["lvchange", "--activate", "n", "--", "vg/v-1"]


def test_a_volume_grows(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.extend("v-1", Bytes(8192))
    assert words(runner) == ["lvextend", "--size", "8192b", "--", "vg/v-1"]


def test_every_command_overrides_a_hostile_configuration(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.activate("v-1")
    config = runner.calls[0][3].split()
    for setting in (
        "devices/issue_discards=0",
        "activation/thin_pool_autoextend_threshold=100",
        "activation/activation_mode=complete",
        "activation/monitoring=0",
        "global/wait_for_locks=1",
        "report/compact_output=0",
    ):
        assert setting in config
    assert not any("filter" in setting or "volume_list" in setting for setting in config)


def test_where_no_udev_runs_lvm_makes_the_nodes_and_waits_for_nobody() -> None:
    assert {"activation/udev_sync=0", "activation/udev_rules=0"} <= set(settings(udev=False).split())
    assert not any("udev" in setting for setting in settings(udev=True).split())


def test_whether_a_pool_is_watched_is_left_to_the_machine(runner: ScriptedRunner, lvm: Lvm) -> None:
    lvm.activate_pool("pool")
    assert "monitoring" not in runner.calls[0][3]


def test_a_report_is_read() -> None:
    runner = ScriptedRunner({"lvm lvs": Completed((RECORDINGS / "report.json").read_text(encoding="utf-8"), "")})
    assert Lvm(runner, "vg").report().group.name == "vg"


def test_a_refusal_has_its_reason_and_leaves_the_warnings_out() -> None:
    recorded = json.loads((RECORDINGS / "refusals.json").read_text(encoding="utf-8"))["refusals"]["data-full-create"]
    runner = ScriptedRunner({"lvm lvcreate": Completed("", recorded["stderr"], recorded["status"])})
    with pytest.raises(LvmRefused) as refused:
        Lvm(runner, "vg").snapshot(NewThinVolume("s-1"), "v-1")
    assert refused.value.reason is Reason.POOL_FULL
    assert refused.value.told == (
        "lvm lvcreate ended with status 5: "
        "Cannot create new thin volume, free space in thin pool vg/pool reached threshold."
    )


def test_removing_what_is_gone_is_no_failure() -> None:
    recorded = json.loads((RECORDINGS / "refusals.json").read_text(encoding="utf-8"))["refusals"]
    gone = Completed("", recorded["remove-missing"]["stderr"], 5)
    Lvm(ScriptedRunner({"lvm lvremove": gone}), "vg").remove_if_there(["v-9"])
    held = Completed("", recorded["remove-mounted"]["stderr"], 5)
    with pytest.raises(LvmRefused):
        Lvm(ScriptedRunner({"lvm lvremove": held}), "vg").remove_if_there(["v-9"])


def test_the_name_of_a_device_doubles_dashes() -> None:
    assert mapped_name("vg-a", "v-1") == "vg--a-v--1"
    assert mapped_name("vg", "pool", "tpool") == "vg-pool-tpool"
