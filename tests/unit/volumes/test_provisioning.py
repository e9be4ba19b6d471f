from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rokcsi.model.errors import (
    InvalidRequest,
    PoolFull,
    SizeOutOfRange,
    SnapshotNotFound,
    SourceTooLarge,
    StillInUse,
    VolumeDiffers,
    VolumeNotFound,
)
from rokcsi.model.ids import Handles, PoolId, VolumeId
from rokcsi.model.provisioner import CapacityRequest, Provisioner, SnapshotFilter, SnapshotRequest, VolumeRequest
from rokcsi.model.sizes import Bytes, SizeRange
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Tuning, Volume, VolumeSource
from rokcsi.pools.admitting import Limits
from tests.fakes.provisioners import ProvisionerInMemory

MIB, GIB = 1 << 20, 1 << 30


@pytest.fixture
def house(tmp_path: Path) -> ProvisionerInMemory:
    return ProvisionerInMemory.fresh(tmp_path)


@pytest.fixture
def provisioner(house: ProvisionerInMemory) -> Provisioner:
    return house.provisioner


def between(required: int = GIB, limit: int | None = None) -> SizeRange:
    return SizeRange(Bytes(required), None if limit is None else Bytes(limit))


def wish(name: str = "a", filesystem: str | None = "xfs", size: SizeRange | None = None) -> VolumeRequest:
    return VolumeRequest(name, size or between(), filesystem)


def handle(provisioner: Provisioner, thing: Volume | Snapshot) -> str:
    if isinstance(thing, Snapshot):
        return provisioner.handles.of_snapshot(thing.id)
    return provisioner.handles.of_volume(thing.id)


def cut(provisioner: Provisioner, volume: Volume, name: str = "s") -> Snapshot:
    return provisioner.cut(SnapshotRequest(name, handle(provisioner, volume)))


def test_a_volume_is_tuned_as_its_class_says_where_the_pool_can(provisioner: Provisioner) -> None:
    tuning = Tuning(block_size=Bytes(65536))
    volume = provisioner.provision(replace(wish(), tuning=tuning))
    assert volume.tuning == tuning
    assert provisioner.provision(replace(wish(), tuning=tuning)) == volume
    with pytest.raises(VolumeDiffers, match="block size or compression"):
        provisioner.provision(wish())


def test_a_tuning_that_the_pool_does_not_know_is_refused_before_anything_is_made(provisioner: Provisioner) -> None:
    with pytest.raises(InvalidRequest, match="lets nobody choose the compression"):
        provisioner.provision(replace(wish(), tuning=Tuning(compression="lz4")))
    assert list(provisioner.volumes()) == []


def test_a_volume_asked_for_again_is_the_same(provisioner: Provisioner) -> None:
    first = provisioner.provision(wish())
    assert provisioner.provision(wish()) == first
    assert provisioner.provision(wish(size=between(1, 2 * GIB))) == first
    assert provisioner.provision(wish(filesystem="")) == first


def test_a_volume_that_has_grown_since_is_still_the_same(provisioner: Provisioner) -> None:
    volume = provisioner.provision(wish())
    grown = provisioner.expand(handle(provisioner, volume), between(2 * GIB))
    assert provisioner.provision(wish()) == grown


@pytest.mark.parametrize(
    "other",
    [wish(size=between(2 * GIB)), wish(size=between(1, GIB - 1)), wish(filesystem="ext4"), wish(filesystem=None)],
    ids=["too small", "too large", "filesystem", "block"],
)
def test_a_volume_that_does_not_fit_the_wish_is_another(provisioner: Provisioner, other: VolumeRequest) -> None:
    first = provisioner.provision(wish())
    with pytest.raises(VolumeDiffers, match="choose another name"):
        provisioner.provision(other)
    assert list(provisioner.volumes()) == [first]


def test_a_source_makes_it_another(provisioner: Provisioner) -> None:
    volume = provisioner.provision(wish())
    other = provisioner.provision(wish("b"))
    with pytest.raises(VolumeDiffers, match="source"):
        provisioner.provision(replace(wish(), from_volume=handle(provisioner, other)))
    assert provisioner.volume(handle(provisioner, volume)).source is None


def test_any_file_system_is_xfs_for_an_empty_volume_and_the_sources_for_a_copy(provisioner: Provisioner) -> None:
    assert provisioner.provision(wish("any", "")).filesystem == "xfs"
    source = provisioner.provision(wish("source", "ext4"))
    copy = replace(wish("copy", ""), from_volume=handle(provisioner, source))
    assert provisioner.provision(copy).filesystem == "ext4"


def test_a_clone_takes_size_and_file_system_from_its_snapshot(house: ProvisionerInMemory) -> None:
    provisioner = house.provisioner
    volume = provisioner.provision(wish())
    house.memory.mark_formatted(volume.id)
    snapshot = cut(provisioner, volume)
    clone = provisioner.provision(
        VolumeRequest("c", SizeRange(), "xfs", from_snapshot=handle(provisioner, snapshot), labels={"who": "me"})
    )
    assert (clone.size, clone.filesystem, clone.formatted) == (GIB, "xfs", True)
    assert (clone.source, clone.labels) == (VolumeSource(snapshot=snapshot.id), {"who": "me"})


def test_a_copy_of_a_volume_leaves_no_snapshot_behind(provisioner: Provisioner) -> None:
    volume = provisioner.provision(wish())
    request = replace(wish("b"), from_volume=handle(provisioner, volume))
    copy = provisioner.provision(request)
    assert copy.source == VolumeSource(volume=volume.id)
    assert list(provisioner.snapshots(SnapshotFilter())) == []
    assert provisioner.provision(request) == copy


def test_a_copy_that_is_refused_cuts_nothing(house: ProvisionerInMemory) -> None:
    provisioner = house.provisioner
    volume = provisioner.provision(wish())
    house.memory.fail_cut_at(0)
    for other, error in (
        (wish("b", size=between(GIB // 2, GIB // 2)), SourceTooLarge),
        (wish("b", "ext4"), InvalidRequest),
    ):
        with pytest.raises(error):
            provisioner.provision(replace(other, from_volume=handle(provisioner, volume)))
    assert list(house.memory.snapshots()) == []


def test_what_a_crash_leaves_of_a_copy_is_never_shown_and_goes_at_the_next_start(house: ProvisionerInMemory) -> None:
    provisioner = house.provisioner
    volume = provisioner.provision(wish())
    with house.interrupted():
        provisioner.provision(replace(wish("b"), from_volume=handle(provisioner, volume)))
    [leftover] = house.memory.snapshots()
    hidden = handle(provisioner, leftover)
    assert list(provisioner.snapshots(SnapshotFilter())) == []
    assert list(provisioner.snapshots(SnapshotFilter(volume=handle(provisioner, volume)))) == []
    assert list(provisioner.snapshots(SnapshotFilter(snapshot=hidden))) == []
    with pytest.raises(SnapshotNotFound):
        provisioner.snapshot(hidden)
    with pytest.raises(SnapshotNotFound):
        provisioner.provision(replace(wish("c"), from_snapshot=hidden))
    again = house.restarted()
    assert list(again.memory.snapshots()) == []
    assert len(again.provisioner.volumes()) == 2


def test_a_copy_begins_with_the_present_bytes_also_when_an_earlier_attempt_left_its_snapshot(
    house: ProvisionerInMemory,
) -> None:
    provisioner = house.provisioner
    volume = provisioner.provision(wish())
    request = replace(wish("b"), from_volume=handle(provisioner, volume))
    with house.interrupted():
        provisioner.provision(request)
    provisioner.remove_volume(provisioner.handles.of_volume(VolumeId.of_name("b")))
    with house.memory.attach(volume.id).open("r+b") as device:
        device.write(b"written since")
    copy = provisioner.provision(request)
    with house.memory.attach(copy.id).open("rb") as device:
        assert device.read(13) == b"written since"
    assert list(house.memory.snapshots()) == []


def test_a_file_system_may_be_looked_at_as_a_raw_device_and_never_the_other_way_round(provisioner: Provisioner) -> None:
    files = cut(provisioner, provisioner.provision(wish("files")), "of files")
    raw = cut(provisioner, provisioner.provision(wish("raw", None)), "of raw")
    view = provisioner.provision(replace(wish("view", None), from_snapshot=handle(provisioner, files)))
    assert view.filesystem is None
    for filesystem in ("xfs", ""):
        with pytest.raises(InvalidRequest, match="raw block"):
            provisioner.provision(replace(wish("no", filesystem), from_snapshot=handle(provisioner, raw)))


def test_another_file_system_than_the_sources_is_refused(provisioner: Provisioner) -> None:
    snapshot = cut(provisioner, provisioner.provision(wish()))
    with pytest.raises(InvalidRequest, match="ask for xfs"):
        provisioner.provision(replace(wish("c", "ext4"), from_snapshot=handle(provisioner, snapshot)))


def test_two_sources_are_one_too_many(provisioner: Provisioner) -> None:
    volume = provisioner.provision(wish())
    snapshot = cut(provisioner, volume)
    both = replace(wish("c"), from_snapshot=handle(provisioner, snapshot), from_volume=handle(provisioner, volume))
    with pytest.raises(InvalidRequest, match="one source"):
        provisioner.provision(both)


@pytest.mark.parametrize("name", ["", "x" * 129, "ü" * 65, "a\0b", "\x1etransient copy", "a\x85b"])
def test_a_name_that_csi_bans_is_refused(provisioner: Provisioner, name: str) -> None:
    volume = handle(provisioner, provisioner.provision(wish("v")))
    with pytest.raises(InvalidRequest, match="name"):
        provisioner.provision(wish(name))
    with pytest.raises(InvalidRequest, match="name"):
        provisioner.cut(SnapshotRequest(name, volume))


@pytest.mark.parametrize("name", ["x" * 128, "../../etc", "a/b\nc\td", "名前🐘", "\u202e\ufeff", " ", "%s{}$(x)"])
def test_any_other_name_is_welcome(provisioner: Provisioner, name: str) -> None:
    assert provisioner.provision(wish(name)).name == name


def test_a_handle_that_is_malformed_or_foreign_is_an_unknown_one(provisioner: Provisioner) -> None:
    foreign = Handles(PoolId.fresh()).of_volume(VolumeId.of_name("a"))
    unknown = provisioner.handles.of_volume(VolumeId.of_name("never made"))
    for bad in ("", "x", "../..", foreign, unknown, foreign.replace("v-", "s-")):
        provisioner.remove_volume(bad)
        provisioner.remove_snapshot(bad)
        provisioner.remove_group(bad, [])
        assert list(provisioner.snapshots(SnapshotFilter(snapshot=bad))) == []
        assert list(provisioner.snapshots(SnapshotFilter(volume=bad))) == []
        with pytest.raises(VolumeNotFound):
            provisioner.volume(bad)
        with pytest.raises(VolumeNotFound):
            provisioner.expand(bad, between())
        with pytest.raises(VolumeNotFound):
            provisioner.modify(bad, {})
        with pytest.raises(VolumeNotFound):
            provisioner.cut(SnapshotRequest("s", bad))
        with pytest.raises(VolumeNotFound):
            provisioner.provision(replace(wish(), from_volume=bad))
        with pytest.raises(SnapshotNotFound):
            provisioner.provision(replace(wish(), from_snapshot=bad))
    assert list(provisioner.volumes()) == []


def test_a_volume_in_use_is_not_removed(house: ProvisionerInMemory) -> None:
    provisioner = house.provisioner
    volume = provisioner.provision(wish())
    with house.memory.held(volume.id), pytest.raises(StillInUse):
        provisioner.remove_volume(handle(provisioner, volume))
    assert list(provisioner.volumes()) == [volume]


def test_a_volume_goes_and_its_snapshots_stay(provisioner: Provisioner) -> None:
    volume = provisioner.provision(wish())
    snapshot = cut(provisioner, volume)
    provisioner.remove_volume(handle(provisioner, volume))
    assert cut(provisioner, volume) == snapshot
    assert list(provisioner.snapshots(SnapshotFilter(volume=handle(provisioner, volume)))) == [snapshot]


def test_snapshots_are_filtered_by_both_handles(provisioner: Provisioner) -> None:
    volumes = [provisioner.provision(wish(name)) for name in "ab"]
    snapshots = [cut(provisioner, volume, f"of {volume.name}") for volume in volumes]
    both = SnapshotFilter(handle(provisioner, snapshots[0]), handle(provisioner, volumes[0]))
    assert list(provisioner.snapshots(both)) == snapshots[:1]
    crossed = replace(both, volume=handle(provisioner, volumes[1]))
    assert list(provisioner.snapshots(crossed)) == []
    assert len(provisioner.snapshots(SnapshotFilter())) == 2


def test_growing_keeps_to_the_range(provisioner: Provisioner) -> None:
    volume = handle(provisioner, provisioner.provision(wish()))
    assert provisioner.expand(volume, between(GIB // 2)).size == GIB
    assert provisioner.expand(volume, between(2 * GIB + 1)).size == 2 * GIB + 4096
    for impossible in (between(1, GIB), between(3 * GIB + 1, 3 * GIB + 2), between(1 << 62)):
        with pytest.raises(SizeOutOfRange):
            provisioner.expand(volume, impossible)
    assert provisioner.volume(volume).size == 2 * GIB + 4096


def test_the_checkpoint_policy_can_be_changed_and_nothing_else(provisioner: Provisioner) -> None:
    volume = handle(provisioner, provisioner.provision(wish()))
    assert provisioner.modify(volume, {"checkpoint-policy": "steps"}).labels == {"checkpoint-policy": "steps"}
    with pytest.raises(InvalidRequest, match=r"iops.*checkpoint-policy"):
        provisioner.modify(volume, {"checkpoint-policy": "none", "iops": "9"})
    with pytest.raises(InvalidRequest, match="none, steps"):
        provisioner.modify(volume, {"checkpoint-policy": "sometimes"})
    assert provisioner.volume(volume).labels == {"checkpoint-policy": "steps"}


def test_a_volume_may_be_made_with_its_policy(provisioner: Provisioner) -> None:
    request = replace(wish(), mutable={"checkpoint-policy": "steps"})
    assert provisioner.provision(request).labels["checkpoint-policy"] == "steps"
    with pytest.raises(InvalidRequest):
        provisioner.provision(replace(wish("b"), mutable={"policy": "steps"}))
    assert len(provisioner.volumes()) == 1


def test_there_is_no_room_where_the_smallest_volume_does_not_fit(tmp_path: Path) -> None:
    provisioner = ProvisionerInMemory.fresh(tmp_path, Limits(overcommit=1 / 1024)).provisioner
    provisioner.provision(wish(size=between(1024 * MIB - 100 * MIB)))
    assert provisioner.capacity(CapacityRequest("xfs")).available == 0
    assert provisioner.capacity(CapacityRequest("ext4")).available == 100 * MIB
    with pytest.raises(PoolFull):
        provisioner.provision(wish("b", size=between(300 * MIB)))
    with pytest.raises(InvalidRequest):
        provisioner.capacity(CapacityRequest("ntfs"))
