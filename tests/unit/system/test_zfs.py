from __future__ import annotations

import pytest

from rokcsi.model.errors import Damaged, ToolFailed
from rokcsi.model.sizes import Bytes
from rokcsi.system.command import Completed
from rokcsi.system.zfs import Zfs, ZfsProperty, pool_state
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused, refusal_of_number, refusal_of_text, refused
from tests.fakes.recorded_zfs import RECORDED, VERSIONS, RecordedZfs
from tests.fakes.scripted_runner import ScriptedRunner

MIB = 1 << 20
OWN = ("dev.rokcsi:volume", "dev.rokcsi:snapshot", "dev.rokcsi:deleted")
every_version = pytest.mark.parametrize("version", VERSIONS)


def test_a_volume_is_made_with_its_properties_in_one_command() -> None:
    zfs = RecordedZfs("a volume is made")
    Zfs(zfs).create_volume("tank/p/v-1", Bytes(64 * MIB), {"volblocksize": "16384", "a:b": "c=d e"})
    options = ["-o", "volblocksize=16384", "-o", "a:b=c=d e"]
    assert zfs.calls == [["zfs", "create", "-s", *options, "-V", "67108864", "--", "tank/p/v-1"]]


def test_a_clone_is_made_larger_and_described_in_one_command() -> None:
    zfs = RecordedZfs("a larger clone")
    Zfs(zfs).clone("tank/p/v-1@s-1", "tank/p/v-2", {"volsize": "134217728", "a:b": "c"})
    words = ["-o", "volsize=134217728", "-o", "a:b=c", "--", "tank/p/v-1@s-1", "tank/p/v-2"]
    assert zfs.calls == [["zfs", "clone", *words]]


@every_version
def test_everything_below_a_dataset_is_read(version: str) -> None:
    runner = RecordedZfs("everything is listed", version=version)
    rows = {row.name: row for row in Zfs(runner).rows_below("recorded/ours", OWN)}
    volume, snapshot, larger = (rows[f"recorded/ours/{name}"] for name in ("v-1", "v-1@s-1", "v-4"))
    assert (volume.is_snapshot, volume.size, volume.block_size, volume.origin) == (False, 128 * MIB, 16384, None)
    assert (volume.written, volume.reserved) == (12288, 0)
    assert 0 < volume.made_in < larger.made_in
    assert volume.own["dev.rokcsi:deleted"] == "v-1"
    assert volume.own["dev.rokcsi:volume"] == '{"r":1,"n":"a name with spaces, = and \\u00e9"}'
    assert "dev.rokcsi:snapshot" not in volume.own
    assert (snapshot.is_snapshot, snapshot.deferred, snapshot.size) == (True, True, 64 * MIB)
    assert snapshot.own["dev.rokcsi:deleted"] == "v-1", "properties of a volume are its snapshots' too"
    assert (larger.origin, larger.size, larger.deferred) == ("recorded/ours/v-1@s-1", 128 * MIB, False)
    assert not any(row.receiving for row in rows.values())


@every_version
def test_of_some_names_those_that_are_there_are_read(version: str) -> None:
    runner = RecordedZfs("some are listed and some are missing", version=version)
    names = ["recorded/ours/v-3", "recorded/ours/v-9", "recorded/ours/v-1@s-9"]
    assert [row.name for row in Zfs(runner).rows_of(names, OWN)] == ["recorded/ours/v-3"]
    assert list(Zfs(RecordedZfs()).rows_of([], OWN)) == []


@every_version
def test_properties_are_read_with_where_they_come_from(version: str) -> None:
    runner = RecordedZfs("properties", version=version)
    found = {each.name: each for each in Zfs(runner).properties(["recorded/ours"], ["guid"])}
    assert found["dev.rokcsi:pool"] == ZfsProperty("recorded/ours", "dev.rokcsi:pool", "a" * 32, "local")
    assert found["dev.rokcsi:pool"].is_local
    assert not found["snapdev"].is_local
    assert found["guid"].value.isdecimal()


REFUSALS = {
    "a volume is there already": ZfsRefusal.EXISTS,
    "the clone is there already": ZfsRefusal.EXISTS,
    "the parent is missing": ZfsRefusal.MISSING,
    "the snapshot is missing": ZfsRefusal.MISSING,
    "a volume that is missing grows": ZfsRefusal.MISSING,
    "a dataset that is missing is listed": ZfsRefusal.MISSING,
    "properties in a pool that is missing": ZfsRefusal.MISSING,
    "the block size is none": ZfsRefusal.UNFIT,
    "the block size is too large": ZfsRefusal.UNFIT,
    "the compression is none": ZfsRefusal.UNFIT,
    "a volume grows by no multiple": ZfsRefusal.UNFIT,
    "a reservation that does not fit": ZfsRefusal.FULL,
    "more is reserved than a quota allows": ZfsRefusal.FULL,
    "a volume is made in a full pool": ZfsRefusal.FULL,
    "a snapshot is cloned in a full pool": ZfsRefusal.FULL,
    "a volume is made in a read-only pool": ZfsRefusal.READONLY,
    "a volume grows in a read-only pool": ZfsRefusal.READONLY,
    "a deletion in a read-only pool": ZfsRefusal.READONLY,
    "a volume is made in a pool that is away": ZfsRefusal.AWAY,
    "a program in a pool that is missing": ZfsRefusal.AWAY,
    "a program with a mistake": ZfsRefusal.OTHER,
}


@every_version
@pytest.mark.parametrize(("name", "refusal"), REFUSALS.items())
def test_what_a_command_says_when_it_refuses_is_understood(name: str, refusal: ZfsRefusal, version: str) -> None:
    assert RECORDED[version][name]["status"] != 0
    assert refusal_of_text(RECORDED[version][name]["stderr"]) is refusal


@every_version
def test_every_recorded_refusal_is_one_that_is_tested(version: str) -> None:
    recorded = RECORDED[version]
    unknown = {name for name, each in recorded.items() if each["status"] not in {0, -6}} - set(REFUSALS)
    assert {refusal_of_text(recorded[name]["stderr"]) for name in unknown} <= {
        ZfsRefusal.MISSING,
        ZfsRefusal.AWAY,
        ZfsRefusal.READONLY,
    }


def test_a_refusal_carries_what_zfs_said() -> None:
    with pytest.raises(
        ZfsRefused, match=r"zfs clone ended with status 1: cannot open .*s-9': dataset does not"
    ) as found:
        Zfs(RecordedZfs("the snapshot is missing")).clone("a/b@c", "a/d", {})
    assert found.value.refusal is ZfsRefusal.MISSING


@every_version
def test_a_property_that_cannot_be_set_is_a_refusal_whatever_the_status_is(version: str) -> None:
    runner = RecordedZfs("a reservation that does not fit", version=version)
    with pytest.raises(ZfsRefused) as found:
        Zfs(runner).set_properties("tank/p/v-1", {"refreservation": "100G"})
    assert found.value.refusal is ZfsRefusal.FULL


def test_a_command_that_dies_has_failed() -> None:
    with pytest.raises(ToolFailed, match="status -6"):
        Zfs(RecordedZfs("a record is too long")).create_volume("a/b", Bytes(MIB), {})


def test_a_property_with_line_breaks_and_tabs_spoils_its_own_row_only() -> None:
    fixed = "volume\t1048576\t16384\t-\t0\t0\t6144\t0\t-\t-"
    printed = f"t/a\t{fixed}\t{{}}\t-\t-\nt/b\t{fixed}\tx\ty\nt/z\tvolume\n\tz\t-\t-\nt/c\t{fixed}\t{{}}\t-\t-\n"
    rows = Zfs(ScriptedRunner({"zfs list": Completed(printed, "")})).rows_below("t", OWN)
    assert [row.name for row in rows] == ["t/a", "t/b", "t/c"]
    assert [row.own.get("dev.rokcsi:volume") for row in rows] == ["{}", "", "{}"]


@pytest.mark.parametrize("printed", ["one\n", "a\tb\n", "\n"])
def test_output_of_another_shape_is_not_guessed_at(printed: str) -> None:
    runner = ScriptedRunner({"zfs list": Completed(printed, "")})
    with pytest.raises(Damaged, match="columns"):
        Zfs(runner).rows_below("a/b", OWN)


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        (17, ZfsRefusal.EXISTS),
        (2, ZfsRefusal.MISSING),
        (16, ZfsRefusal.BUSY),
        (28, ZfsRefusal.FULL),
        (122, ZfsRefusal.FULL),
        (11, ZfsRefusal.AGAIN),
        (7, ZfsRefusal.UNFIT),
        (99, ZfsRefusal.OTHER),
    ],
)
def test_error_numbers_of_programs_are_understood(number: int, refusal: ZfsRefusal) -> None:
    assert refusal_of_number(number) is refusal
    assert refused("tank/p/v-1", number).refusal is refusal


def test_a_refusal_by_number_names_the_dataset_and_the_error() -> None:
    assert "tank/p/v-1: EBUSY" in str(refused("tank/p/v-1", 16))


def test_a_pool_that_is_not_imported_has_no_state() -> None:
    assert pool_state("rokcsi-no-such-pool") is None
