from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.model.errors import (
    Damaged,
    InvalidRequest,
    NotStaged,
    OutOfRange,
    StillInUse,
    SystemCallFailed,
    TargetDiffers,
    VolumeDamaged,
    VolumeNotFound,
)
from rokcsi.model.ids import Handles, PoolId, SnapshotId, VolumeId
from rokcsi.model.node import StageRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume, VolumeSource
from rokcsi.pools.memory import MemoryPool
from rokcsi.system.failpoints import failing
from tests.fakes.memory_mounter import MemoryMounter
from tests.fakes.node_house import GIB, MOUNTED, RAW, SHARED, SHARED_RAW, NodeHouse

UNKNOWN = f"v-{PoolId.of_name('other')}-{VolumeId.of_name('gone')}"
ANY = SizeRange()


@pytest.fixture
def mounter() -> MemoryMounter:
    return MemoryMounter()


@pytest.fixture
def pool(tmp_path: Path) -> MemoryPool:
    (tmp_path / "pool").mkdir()
    return MemoryPool(tmp_path / "pool")


@pytest.fixture
def house(tmp_path: Path, pool: MemoryPool, mounter: MemoryMounter) -> NodeHouse:
    (tmp_path / "kubelet").mkdir()
    return NodeHouse(pool, mounter, tmp_path / "kubelet", tmp_path / "records")


def clone_of(
    house: NodeHouse, volume: str, name: str = "clone", size: int = GIB, filesystem: str | None = "xfs"
) -> str:
    """Make a clone by way of a snapshot."""
    snapshot = house.pool.take_snapshots([NewSnapshot(f"snapshot for {name}", house.id_of(volume))])[0]
    new = NewVolume(name, Bytes(size), filesystem, VolumeSource(snapshot=SnapshotId(snapshot.id)))
    return Handles(house.pool.id).of_volume(house.pool.clone_snapshot(snapshot.id, new).id)


def test_a_volume_is_formatted_once_staged_published_and_taken_away(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    assert mounter.mounted(house.at("pod/mount"))
    assert house.recorded() == 2
    house.unpublish(volume)
    assert not house.at("pod/mount").exists()
    house.unstage(volume)
    assert house.at("staging").is_dir()
    assert house.recorded() == 0
    house.stage(volume)
    assert mounter.deeds.count("make_filesystem") == 1


def test_everything_may_be_asked_twice(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    for _ in range(2):
        house.stage(volume)
    for _ in range(2):
        house.publish(volume)
    assert mounter.deeds.count("mount") == mounter.deeds.count("bind") == 1
    for _ in range(2):
        house.unpublish(volume)
    for _ in range(2):
        house.unstage(volume)
    assert house.recorded() == 0


@pytest.mark.parametrize("volume", [UNKNOWN, "", "../../etc", "v-1-2"])
def test_an_unknown_volume_is_not_found_and_nothing_is_made(house: NodeHouse, volume: str) -> None:
    for ask in (house.stage, house.publish, house.unpublish, house.unstage):
        with pytest.raises(VolumeNotFound):
            ask(volume)
    with pytest.raises(VolumeNotFound):
        house.node.stats(volume, house.at("pod/mount"))
    with pytest.raises(VolumeNotFound):
        house.node.expand(volume, house.at("pod/mount"), ANY)
    assert list(house.kubelet.iterdir()) == []
    assert house.recorded() == 0


def test_a_relative_path_is_refused(house: NodeHouse) -> None:
    volume = house.volume()
    with pytest.raises(InvalidRequest, match="absolute"):
        house.node.stage(StageRequest(volume, Path("relative"), MOUNTED))


@pytest.mark.parametrize("path", ["/etc/x", "{}/../etc", "{}/a\nb", "{}/a\0b", "{}/" + "x" * 300, "{}"])
def test_a_path_that_cannot_be_a_target_is_refused(house: NodeHouse, path: str) -> None:
    volume = house.volume()
    house.stage(volume)
    bad = path.format(house.kubelet)
    with pytest.raises(InvalidRequest):
        house.stage(volume, bad)
    with pytest.raises(InvalidRequest):
        house.publish(volume, bad)
    with pytest.raises(InvalidRequest):
        house.unpublish(volume, bad)
    assert house.recorded() == 1


def test_staging_in_another_way_at_the_same_path_is_taken(house: NodeHouse) -> None:
    volume = house.volume()
    house.stage(volume)
    for other in (SHARED, replace(MOUNTED, options=("noatime",)), replace(MOUNTED, readonly=True)):
        with pytest.raises(TargetDiffers):
            house.stage(volume, access=other)
    house.stage(volume, access=replace(MOUNTED, filesystem="xfs"))


def test_a_volume_of_another_kind_is_refused(house: NodeHouse) -> None:
    mounted, raw = house.volume("a"), house.volume("b", filesystem=None)
    with pytest.raises(StillInUse, match="raw block"):
        house.stage(raw)
    with pytest.raises(StillInUse, match="raw block"):
        house.stage(mounted, access=RAW)
    with pytest.raises(StillInUse, match="ext4"):
        house.stage(mounted, access=replace(MOUNTED, filesystem="ext4"))
    house.stage(mounted)
    with pytest.raises(StillInUse):
        house.publish(mounted, access=RAW)


@pytest.mark.parametrize("option", ["norecovery", "suid", "dev", "nouuid,loop", "data=journal", "x" * 5000, "ro\nrw"])
def test_a_mount_option_outside_the_list_is_refused(house: NodeHouse, pool: MemoryPool, option: str) -> None:
    volume = house.volume()
    with pytest.raises(InvalidRequest):
        house.stage(volume, access=replace(MOUNTED, options=(option,)))
    assert house.recorded() == 0
    pool.delete_volume(house.id_of(volume))


def test_publishing_wants_the_volume_staged_there(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    with pytest.raises(NotStaged):
        house.publish(volume)
    house.stage(volume)
    with pytest.raises(NotStaged):
        house.publish(volume, staging="elsewhere")
    mounter.forget(house.at("staging"))
    with pytest.raises(NotStaged, match="again"):
        house.publish(volume)
    house.stage(volume)
    house.publish(volume)


def test_publishing_in_another_way_at_the_same_path_is_taken(house: NodeHouse) -> None:
    volume = house.volume()
    house.stage(volume, access=SHARED)
    house.publish(volume, access=SHARED)
    with pytest.raises(TargetDiffers):
        house.publish(volume, access=SHARED, readonly=True)
    with pytest.raises(TargetDiffers):
        house.publish(volume, access=MOUNTED)


def test_a_second_target_is_refused_unless_the_access_mode_welcomes_it(
    house: NodeHouse, mounter: MemoryMounter
) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    for access in (MOUNTED, SHARED):
        with pytest.raises(StillInUse):
            house.publish(volume, "pod2/mount", access)
        with pytest.raises(StillInUse):
            house.publish(volume, "pod2/mount", access, readonly=True)
    assert not house.at("pod2").exists()
    mounter.forget(house.at("pod/mount"))
    house.publish(volume, "pod2/mount")


def test_several_targets_may_differ_from_each_other(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume, access=SHARED)
    house.publish(volume, "one", SHARED)
    house.publish(volume, "two", SHARED, readonly=True)
    readonly = [found.readonly for word in ("one", "two") if (found := mounter.mounted(house.at(word)))]
    assert readonly == [False, True]


@pytest.mark.parametrize("access", [replace(MOUNTED, readonly=True), replace(MOUNTED, options=("ro",))])
def test_readers_get_a_readonly_view_of_a_writable_mount(
    house: NodeHouse, mounter: MemoryMounter, access: object
) -> None:
    volume = house.volume()
    assert isinstance(access, type(MOUNTED))
    house.stage(volume, access=access)
    house.publish(volume, access=access)
    readonly = [found.readonly for word in ("staging", "pod/mount") if (found := mounter.mounted(house.at(word)))]
    assert readonly == [False, True]


def test_a_path_that_shows_something_else_is_taken(house: NodeHouse, mounter: MemoryMounter) -> None:
    one, two = house.volume("one"), house.volume("two")
    mounter.mount_foreign(house.at("staging"))
    with pytest.raises(TargetDiffers):
        house.stage(one)
    house.stage(one, "s1")
    house.stage(two, "s2")
    with pytest.raises(TargetDiffers):
        house.stage(two, "s1")
    house.publish(one, "pod", staging="s1")
    with pytest.raises(TargetDiffers):
        house.publish(two, "pod", staging="s2")
    mounter.mount_foreign(house.at("pod2"))
    with pytest.raises(TargetDiffers):
        house.publish(two, "pod2", staging="s2")
    for shown in ("pod2", "pod"):
        with pytest.raises(StillInUse, match="something else"):
            house.unpublish(two, shown)
    assert mounter.mounted(house.at("pod2"))
    assert mounter.mounted(house.at("pod"))


def test_a_target_inside_a_volume_is_refused(house: NodeHouse) -> None:
    volume = house.volume()
    house.stage(volume, access=SHARED)
    house.publish(volume, "pod", SHARED)
    for inside in ("staging", "staging/x", "pod/a/b"):
        with pytest.raises(InvalidRequest):
            house.publish(volume, inside, SHARED)
    with pytest.raises(InvalidRequest):
        house.unpublish(volume, "staging")


def test_a_volume_with_contents_is_never_formatted(house: NodeHouse, mounter: MemoryMounter, pool: MemoryPool) -> None:
    blank = house.volume("blank")
    with pytest.raises(VolumeDamaged, match="no known file system"):
        house.stage(clone_of(house, blank))
    house.stage(blank)
    house.unstage(blank)
    with (pool.attach(house.id_of(blank))).open("r+b") as device:
        device.write(bytes(64))
    with pytest.raises(VolumeDamaged):
        house.stage(blank)
    assert mounter.deeds.count("make_filesystem") == 1
    assert house.recorded() == 0


def test_a_volume_whose_formatting_was_cut_short_is_not_formatted_again(
    house: NodeHouse, mounter: MemoryMounter, pool: MemoryPool
) -> None:
    volume = house.volume()
    with failing("node.stage.formatted", Damaged("as the test wants it")), pytest.raises(Damaged):
        house.stage(volume)
    assert not pool.volume(house.id_of(volume)).formatted
    house.stage(volume)
    assert pool.volume(house.id_of(volume)).formatted
    assert mounter.deeds.count("make_filesystem") == 1


def test_a_new_volume_that_holds_something_is_not_formatted(
    house: NodeHouse, mounter: MemoryMounter, pool: MemoryPool
) -> None:
    volume = house.volume()
    with (pool.attach(house.id_of(volume))).open("r+b") as device:
        device.write(b"LVM2_member 5")
    with pytest.raises(StillInUse, match="LVM2_member"):
        house.stage(volume)
    assert "make_filesystem" not in mounter.deeds


def test_a_file_system_made_before_a_crash_is_kept(house: NodeHouse, mounter: MemoryMounter, pool: MemoryPool) -> None:
    volume = house.volume()
    mounter.make_filesystem(pool.attach(house.id_of(volume)), "xfs")
    house.stage(volume)
    assert pool.volume(house.id_of(volume)).formatted
    assert mounter.deeds.count("make_filesystem") == 1


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_larger_clone_is_grown_when_it_is_staged(house: NodeHouse, mounter: MemoryMounter, filesystem: str) -> None:
    mounter.grows_online = filesystem == "xfs"
    volume = house.volume(filesystem=filesystem)
    house.stage(volume)
    clone = clone_of(house, volume, size=2 * GIB, filesystem=filesystem)
    house.stage(clone, "clone")
    assert house.node.stats(clone, house.at("clone")).total == 2 * GIB


def test_a_failure_leaves_nothing_behind(house: NodeHouse, mounter: MemoryMounter, pool: MemoryPool) -> None:
    volume = house.volume()
    for deed in ("mount", "grow"):
        mounter.failing = {deed}
        with pytest.raises(SystemCallFailed):
            house.stage(volume)
        assert house.recorded() == 0
        assert mounter.mounted(house.at("staging")) is None
    mounter.failing = set()
    house.stage(volume)
    mounter.failing = {"bind"}
    with pytest.raises(SystemCallFailed):
        house.publish(volume)
    assert house.recorded() == 1
    assert not house.at("pod/mount").exists()
    house.unstage(volume)
    pool.delete_volume(house.id_of(volume))


def test_a_busy_target_stays_published(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    mounter.busy = {house.at("pod/mount")}
    with pytest.raises(StillInUse):
        house.unpublish(volume)
    house.publish(volume)
    with pytest.raises(StillInUse, match="published"):
        house.unstage(volume)
    mounter.busy = set()
    house.unpublish(volume)
    house.unstage(volume)


def test_a_volume_staged_twice_stays_attached_until_the_last_is_gone(house: NodeHouse, pool: MemoryPool) -> None:
    volume = house.volume()
    house.stage(volume, "s1")
    house.stage(volume, "s2")
    with pytest.raises(StillInUse):
        house.stage(volume, "s3", SHARED)
    with pool.held(house.id_of(volume)):
        house.unstage(volume, "s1")
        with pytest.raises(StillInUse):
            house.unstage(volume, "s2")
    house.unstage(volume, "s2")
    assert house.recorded() == 0


def test_unpublish_without_a_record_removes_an_empty_path_and_no_more(house: NodeHouse) -> None:
    volume = house.volume()
    house.at("empty").mkdir()
    house.at("full").mkdir()
    (house.at("full") / "file").write_text("x")
    for word in ("empty", "full", "missing"):
        house.unpublish(volume, word)
    assert not house.at("empty").exists()
    assert (house.at("full") / "file").read_text() == "x"


def test_unpublish_and_unstage_go_by_the_record_when_the_volume_is_gone(house: NodeHouse, pool: MemoryPool) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    pool.delete_volume(house.id_of(volume))
    house.unpublish(volume)
    house.unstage(volume)
    assert house.recorded() == 0
    with pytest.raises(VolumeNotFound):
        house.unpublish(volume)


def test_records_outlive_the_driver_and_end_with_their_mounts(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    house.restart()
    house.publish(volume)
    with pytest.raises(StillInUse):
        house.publish(volume, "pod2")
    for word in ("staging", "pod/mount"):
        mounter.forget(house.at(word))
    house.restart()
    assert house.recorded() == 0
    house.stage(volume, access=SHARED)
    house.publish(volume, "pod2", SHARED)


def test_a_record_cut_short_is_dropped(house: NodeHouse) -> None:
    volume = house.volume()
    house.stage(volume)
    for text in (b"", b"{", b"[]", b'{"kind": "Staged"}'):
        (house.records / "broken").write_bytes(text)
        house.restart()
        assert house.recorded() == 1


def test_mounts_whose_records_were_lost_are_still_ours(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume)
    for record in house.records.iterdir():
        record.unlink()
    house.restart()
    house.stage(volume)
    house.publish(volume)
    with pytest.raises(TargetDiffers):
        house.publish(volume, readonly=True)
    for record in house.records.iterdir():
        record.unlink()
    house.restart()
    house.stage(volume)
    house.unpublish(volume)
    house.unstage(volume)
    assert mounter.mounted(house.at("pod/mount")) is None
    assert mounter.mounted(house.at("staging")) is None


def test_a_readonly_publish_half_done_by_a_crash_is_done_again(house: NodeHouse, mounter: MemoryMounter) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume, readonly=True)
    mounter.forget(house.at("pod/mount"))
    device = house.pool.attach(house.id_of(volume))
    mounter.bind(device, house.at("staging"), house.at("pod/mount"), readonly=False)
    house.publish(volume, readonly=True)
    found = mounter.mounted(house.at("pod/mount"))
    assert found is not None
    assert found.readonly


def test_a_raw_volume_is_shown_as_a_device_and_is_readonly_for_all_or_none(
    house: NodeHouse, mounter: MemoryMounter
) -> None:
    volume = house.volume(filesystem=None)
    house.stage(volume, access=SHARED_RAW)
    house.stage(volume, access=SHARED_RAW)
    with pytest.raises(TargetDiffers):
        house.stage(volume, access=RAW)
    house.publish(volume, "one", SHARED_RAW, readonly=True)
    house.publish(volume, "one", SHARED_RAW, readonly=True)
    house.publish(volume, "two", SHARED_RAW, readonly=True)
    with pytest.raises(StillInUse, match="read-only"):
        house.publish(volume, "three", SHARED_RAW)
    assert house.node.stats(volume, house.at("one")).total == GIB
    assert house.node.stats(volume, house.at("one")).used is None
    house.unpublish(volume, "one")
    house.unpublish(volume, "two")
    house.publish(volume, "three", SHARED_RAW)
    assert [deed for deed in mounter.deeds if deed.startswith("bind_device")][-1] == "bind_device"
    house.unpublish(volume, "three")
    house.unstage(volume)


def test_a_raw_volume_has_its_size_told_where_kubelet_shows_it_once_more(
    house: NodeHouse, mounter: MemoryMounter
) -> None:
    one, two = house.volume("one", filesystem=None), house.volume("two", filesystem=None)
    for volume, folder in ((one, "s1"), (two, "s2")):
        house.stage(volume, folder, access=RAW)
    house.publish(one, "one", RAW, staging="s1")
    mounter.show_once_more(house.at("one"), house.at("dev/pod"))
    assert house.node.stats(one, house.at("dev/pod")).total == GIB
    with pytest.raises(VolumeNotFound):
        house.node.stats(two, house.at("dev/pod"))


def test_usage_is_told_only_at_the_volumes_own_paths(house: NodeHouse) -> None:
    one, two = house.volume("one"), house.volume("two")
    house.stage(one, "s1")
    house.stage(two, "s2")
    assert house.node.stats(one, house.at("s1")).total == GIB
    for path in (house.at("s2"), house.at("nothing"), Path("some/path"), Path("/"), house.at("s1/..")):
        with pytest.raises(VolumeNotFound):
            house.node.stats(one, path)
        with pytest.raises(VolumeNotFound):
            house.node.expand(one, path, ANY)


def test_expanding_grows_the_mounted_file_system(house: NodeHouse, pool: MemoryPool) -> None:
    volume = house.volume()
    house.stage(volume)
    house.publish(volume, readonly=True)
    pool.grow_volume(house.id_of(volume), Bytes(2 * GIB))
    size = house.node.expand(volume, house.at("pod/mount"), SizeRange(Bytes(2 * GIB)))
    assert size == house.node.stats(volume, house.at("pod/mount")).total == 2 * GIB
    assert house.node.expand(volume, house.at("staging"), ANY) == 2 * GIB
    for wrong in (SizeRange(Bytes(3 * GIB)), SizeRange(Bytes(0), Bytes(GIB))):
        with pytest.raises(OutOfRange):
            house.node.expand(volume, house.at("staging"), wrong)


def test_what_cannot_grow_while_mounted_is_said_and_grows_when_staged_next(
    house: NodeHouse, pool: MemoryPool, mounter: MemoryMounter
) -> None:
    volume = house.volume(filesystem="ext4")
    house.stage(volume)
    pool.grow_volume(house.id_of(volume), Bytes(2 * GIB))
    mounter.grows_online = False
    with pytest.raises(StillInUse, match="staged next"):
        house.node.expand(volume, house.at("staging"), ANY)
    assert mounter.mounted(house.at("staging"))
    house.unstage(volume)
    house.stage(volume)
    assert house.node.stats(volume, house.at("staging")).total == 2 * GIB


def test_a_raw_volume_expands_with_its_device(house: NodeHouse, pool: MemoryPool) -> None:
    volume = house.volume(filesystem=None)
    house.stage(volume, access=RAW)
    house.publish(volume, access=RAW)
    pool.grow_volume(house.id_of(volume), Bytes(2 * GIB))
    assert house.node.expand(volume, house.at("pod/mount"), ANY) == 2 * GIB
