from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, NotStaged, NotSupported, StillInUse, SystemCallFailed, VolumeDamaged
from rokcsi.model.mounter import Mounter
from rokcsi.mounting.linux import LinuxMounter
from rokcsi.system import mounts
from rokcsi.system.beneath import TargetRoots
from rokcsi.system.block_devices import refuse_writing, refuses_writing
from rokcsi.system.log_replay import replay_log
from rokcsi.system.mounts import MountTable
from tests.fakes.loop_disks import LoopDisks, loop_disks, run

pytestmark = pytest.mark.system
MIB = 1 << 20
SIZES = {"xfs": 300 * MIB, "ext4": 64 * MIB}


@dataclass(frozen=True, slots=True)
class Host:
    disks: LoopDisks
    kubelet: Path
    table: MountTable
    mounter: LinuxMounter

    def disk(self, filesystem: str | None = "ext4", name: str = "disk", size: int | None = None) -> Path:
        return self.disks.disk(name, size or SIZES[filesystem or "ext4"], filesystem)

    def at(self, word: str) -> Path:
        return self.kubelet / word

    def mount(self, device: Path, word: str = "staging", filesystem: str = "ext4", *options: str) -> Path:
        self.mounter.mount(device, self.at(word), filesystem, readonly=False, options=options)
        return self.at(word)

    def bind(self, word: str, to: str, *options: str, readonly: bool = False, name: str = "disk") -> Path:
        device = self.disks.attach(self.disks.folder / name)
        self.mounter.bind(device, self.at(word), self.at(to), readonly=readonly, options=options)
        return self.at(to)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    kubelet = tmp_path / "kubelet"
    kubelet.mkdir()
    table = MountTable()
    with loop_disks(tmp_path) as disks:
        yield Host(disks, kubelet, table, LinuxMounter(TargetRoots([kubelet]), table))
    table.close()


def test_it_is_a_mounter(host: Host) -> None:
    mounter: Mounter = host.mounter
    assert mounter.mounted(host.at("nothing")) is None


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_device_is_mounted_shown_twice_and_taken_away(host: Host, filesystem: str) -> None:
    device = host.disk(filesystem)
    staging = host.mount(device, "staging", filesystem, "noatime")
    pod = host.bind("staging", "pods/p 1/mount")
    (pod / "file").write_text("hello")
    assert (staging / "file").read_text() == "hello"
    assert host.mounter.shows(staging, device)
    assert host.mounter.shows(pod, device)
    found = host.mounter.mounted(pod)
    assert found is not None
    assert (found.target, found.filesystem, found.readonly) == (pod, filesystem, False)
    assert {"nosuid", "nodev", "noatime"} <= set(found.options)
    host.mounter.unmount(pod)
    host.mounter.unmount(staging, remove=False)
    assert not pod.exists()
    assert list(staging.iterdir()) == []
    assert not host.mounter.shows(staging, device)
    for path in (pod, staging, host.at("never")):
        host.mounter.unmount(path)


def test_mounting_again_stacks_nothing(host: Host) -> None:
    device = host.disk()
    for _ in range(3):
        host.mount(device)
    mounts.unmount(host.at("staging"))
    assert host.mounter.mounted(host.at("staging")) is None


def test_what_is_mounted_is_known_to_the_table_without_reading(host: Host) -> None:
    device = host.disk()
    reads = host.table.reads
    staging = host.mount(device)
    assert host.table.point_of(device.stat().st_rdev) == staging
    assert host.table.reads == reads


def test_clones_and_their_origin_are_mounted_at_once(host: Host) -> None:
    origin = host.disk("xfs")
    copies = [host.disks.copy("disk", f"copy{number}") for number in range(2)]
    for number, device in enumerate((origin, *copies)):
        (host.mount(device, f"m{number}", "xfs") / "who").write_text(str(number))
    assert [(host.at(f"m{number}") / "who").read_text() for number in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_readonly_view_keeps_the_other_flags_and_leaves_the_staged_mount_writable(
    host: Host, filesystem: str
) -> None:
    staging = host.mount(host.disk(filesystem), "staging", filesystem, "noatime", "noexec")
    pod = host.bind("staging", "pod", "noatime", "noexec", readonly=True)
    with pytest.raises(OSError, match="Read-only"):
        (pod / "file").write_text("x")
    (staging / "file").write_text("x")
    found = host.mounter.mounted(pod)
    assert found is not None
    assert {"ro", "nosuid", "nodev", "noexec", "noatime"} <= set(found.options)


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_readonly_view_of_a_clone_with_a_dirty_log_shows_what_was_in_the_log(host: Host, filesystem: str) -> None:
    staging = host.mount(host.disk(filesystem), "staging", filesystem)
    (staging / "file").write_text("in the log")
    with (staging / "file").open() as opened:
        os.fsync(opened.fileno())
    clone = host.disks.copy("disk", "clone")
    host.mount(clone, "clone", filesystem)
    assert (host.bind("clone", "pod", readonly=True, name="clone") / "file").read_text() == "in the log"


def test_a_folder_where_nothing_is_mounted_is_not_shown_as_a_volume(host: Host) -> None:
    host.disk()
    host.mount(host.disk(name="other"), "other")
    host.at("staging").mkdir()
    for word in ("staging", "missing", "other"):
        with pytest.raises(NotStaged, match="stage"):
            host.bind(word, "pod")
    assert not host.at("pod").exists()


def test_a_symbolic_link_redirects_nothing(host: Host) -> None:
    device, outside = host.disk(), host.disks.folder / "outside"
    outside.mkdir()
    for word in ("link", "pods/link"):
        host.at(word).parent.mkdir(exist_ok=True)
        host.at(word).symlink_to(outside)
        for below in (word, f"{word}/x"):
            for ask in (host.mounter.mounted, host.mounter.unmount, host.mounter.stats):
                with pytest.raises((InvalidRequest, StillInUse)):
                    ask(host.at(below))
            with pytest.raises(InvalidRequest):
                host.mount(device, below)
    host.mount(device)
    mounts.mount("none", outside, "tmpfs")
    with pytest.raises((InvalidRequest, StillInUse)):
        host.mounter.unmount(host.at("link"))
    assert outside.is_mount()
    with pytest.raises(InvalidRequest):
        host.bind("staging", "link")


def test_all_that_is_stacked_on_a_target_is_unmounted_and_nothing_deleted(host: Host) -> None:
    device = host.disk()
    staging = host.mount(device)
    (staging / "precious").write_text("x")
    pod = host.bind("staging", "pod")
    mounts.bind(staging, pod)
    mounts.mount("none", pod, "tmpfs")
    host.mounter.unmount(pod)
    assert not pod.exists()
    assert (staging / "precious").read_text() == "x"


def test_a_target_with_something_below_its_mount_is_refused_and_kept(host: Host) -> None:
    device = host.disk()
    host.at("staging").mkdir()
    (host.at("staging") / "file").write_text("x")
    with pytest.raises(InvalidRequest, match="not empty"):
        host.mount(device)
    mounts.mount(device, host.at("staging"), "ext4")
    with pytest.raises(StillInUse, match="not empty"):
        host.mounter.unmount(host.at("staging"))
    assert (host.at("staging") / "file").read_text() == "x"


def test_a_busy_mount_is_still_in_use_and_stays(host: Host) -> None:
    device = host.disk()
    staging = host.mount(device)
    with (staging / "open").open("w"), pytest.raises(StillInUse, match="in use"):
        host.mounter.unmount(staging)
    assert host.table.point_of(device.stat().st_rdev) == staging
    host.mounter.unmount(staging)


def test_what_cannot_be_mounted_leaves_no_mount(host: Host) -> None:
    blank = host.disk(None)
    with pytest.raises(SystemCallFailed, match="cannot mount"):
        host.mount(blank)
    assert host.mounter.mounted(host.at("staging")) is None
    with pytest.raises(InvalidRequest, match="norecovery"):
        host.mount(blank, "staging", "xfs", "norecovery")


def test_a_device_is_shown_at_a_file_and_is_readonly_as_a_whole(host: Host) -> None:
    device = host.disk(None)
    for _ in range(2):
        host.mounter.bind_device(device, host.at("pod/dev"), readonly=True)
    assert host.mounter.shows(host.at("pod/dev"), device)
    for path in (host.at("pod/dev"), device):
        with path.open("r+b", buffering=0) as opened, pytest.raises(PermissionError):
            opened.write(bytes(4096))
    host.mounter.release_device(device)
    assert not refuses_writing(device)
    host.mounter.bind_device(device, host.at("pod2"), readonly=False)
    with host.at("pod2").open("r+b", buffering=0) as opened:
        opened.write(bytes(4096))
    for path in (host.at("pod/dev"), host.at("pod2")):
        host.mounter.unmount(path)
        assert not path.exists()


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_device_left_refusing_writing_by_a_crash_is_mounted_all_the_same(host: Host, filesystem: str) -> None:
    device = host.disk(filesystem)
    refuse_writing(device, refuse=True)
    try:
        (host.mount(device, "staging", filesystem) / "file").write_text("x")
    finally:
        refuse_writing(device, refuse=False)


def test_a_file_that_holds_something_is_no_target_for_a_device(host: Host) -> None:
    host.at("file").write_text("x")
    with pytest.raises(InvalidRequest):
        host.mounter.bind_device(host.disk(None), host.at("file"), readonly=False)
    assert host.at("file").read_text() == "x"


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_blank_device_is_formatted_and_another_never(host: Host, filesystem: str) -> None:
    device = host.disk(None, size=SIZES[filesystem])
    assert host.mounter.found_filesystem(device) is None
    host.mounter.make_filesystem(device, filesystem)
    assert host.mounter.found_filesystem(device) == filesystem
    host.mount(device, "staging", filesystem)
    with pytest.raises(StillInUse, match=filesystem):
        host.mounter.make_filesystem(device, "ext4")
    with pytest.raises(NotSupported):
        host.mounter.make_filesystem(device, "btrfs")


def test_anything_on_a_device_is_found(host: Host) -> None:
    swap, partitioned, unknown = (host.disk(None, name) for name in ("swap", "partitioned", "unknown"))
    run("mkswap", swap)
    with partitioned.open("r+b") as opened:
        opened.seek(446)
        opened.write(bytes.fromhex("00 000000 83 000000 00080000 00f80100").ljust(64, b"\0") + b"\x55\xaa")
    with unknown.open("r+b") as opened:
        opened.seek(5000)
        opened.write(b"a database, say")
    assert host.mounter.found_filesystem(swap) == "swap"
    assert host.mounter.found_filesystem(unknown) == "data"
    with pytest.raises(StillInUse):
        host.mounter.make_filesystem(unknown, "ext4")
    assert host.mounter.found_filesystem(partitioned) == "dos"


def test_xfs_grows_while_it_is_mounted_and_then_needs_no_growth(host: Host) -> None:
    device = host.disk("xfs")
    staging = host.mount(device, "staging", "xfs")
    before = host.mounter.stats(staging).total
    host.mounter.grow(device, staging, "xfs")
    assert host.mounter.stats(staging).total == before
    host.disks.grow("disk", 1024 * MIB + 7 * 4096)
    host.mounter.grow(device, staging, "xfs")
    assert host.mounter.stats(staging).total > 900 * MIB
    host.mounter.unmount(staging)
    assert not host.mounter.needs_growth(device, "xfs")
    host.disks.grow("disk", 2048 * MIB)
    assert host.mounter.needs_growth(device, "xfs")
    host.mounter.grow_unmounted(device, "xfs")


@pytest.mark.parametrize("size", [65 * MIB, 129 * MIB, 200 * MIB, 1024 * MIB + 4096])
def test_ext4_grows_when_it_is_not_mounted_and_then_needs_no_growth(host: Host, size: int) -> None:
    device = host.disk()
    (host.mount(device) / "file").write_text("kept")
    host.mounter.unmount(host.at("staging"))
    host.disks.grow("disk", size)
    assert host.mounter.needs_growth(device, "ext4")
    host.mounter.grow_unmounted(device, "ext4")
    assert not host.mounter.needs_growth(device, "ext4")
    assert host.mounter.device_size(device) == size
    staging = host.mount(device)
    assert (staging / "file").read_text() == "kept"
    assert host.mounter.stats(staging).total > size * 0.8


def test_a_mounted_ext4_grows_now_or_says_when(host: Host) -> None:
    device = host.disk()
    staging = host.mount(device)
    host.mounter.grow(device, staging, "ext4")
    host.disks.grow("disk", 512 * MIB)
    host.mounter.grow_unmounted(device, "ext4")
    before = host.mounter.stats(staging).total
    said = ""
    try:
        host.mounter.grow(device, staging, "ext4")
    except NotSupported as refused:
        said = str(refused)
    grown = host.mounter.stats(staging).total > before
    assert grown != ("staged next" in said)


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_a_sound_file_system_passes_also_with_a_dirty_log(host: Host, filesystem: str) -> None:
    device = host.disk(filesystem)
    host.mounter.check(device, filesystem)
    staging = host.mount(device, "staging", filesystem)
    with pytest.raises(StillInUse):
        host.mounter.check(device, filesystem)
    for number in range(200):
        (staging / f"file{number}").write_text("x" * 5000)
    run("fsfreeze", "--freeze", staging)
    try:
        frozen = host.disks.copy("disk", "frozen")
    finally:
        run("fsfreeze", "--unfreeze", staging)
    for number in range(200):
        (staging / f"file{number}").unlink()
    run("sync", "-f", staging)
    crashed = host.disks.copy("disk", "crashed")
    for device in (frozen, crashed):
        host.mounter.check(device, filesystem)


@pytest.mark.parametrize("filesystem", ["xfs", "ext4"])
def test_damage_is_found_and_not_repaired(host: Host, filesystem: str) -> None:
    device = host.disk(filesystem)
    staging = host.mount(device, "staging", filesystem)
    for number in range(200):
        (staging / f"file{number}").write_text("x")
    host.mounter.unmount(staging)
    with device.open("r+b") as opened:
        opened.seek(16 * 4096)
        opened.write(b"\xa5" * (128 * 4096))
    before = (host.disks.folder / "disk").read_bytes()
    with pytest.raises(VolumeDamaged):
        host.mounter.check(device, filesystem)
    assert (host.disks.folder / "disk").read_bytes() == before


def test_replaying_a_log_leaves_no_mount(host: Host) -> None:
    device = host.disk()
    entries = len(mounts.read_mountinfo())
    replay_log(device, "ext4")
    assert len(mounts.read_mountinfo()) == entries
    host.disks.detach(host.disks.folder / "disk")


def test_usage_is_told_in_bytes_and_inodes(host: Host) -> None:
    staging = host.mount(host.disk("xfs"), "staging", "xfs")
    before = host.mounter.stats(staging)
    (staging / "file").write_bytes(os.urandom(8 * MIB))
    run("sync", "-f", staging)
    after = host.mounter.stats(staging)
    assert after.used is not None
    assert before.used is not None
    assert after.used - before.used >= 8 * MIB
    assert after.inodes_used == (before.inodes_used or 0) + 1
    assert after.available is not None
    assert after.used + after.available <= after.total
