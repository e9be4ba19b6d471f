from __future__ import annotations

import pytest

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.filesystems import FILESYSTEMS
from rokcsi.model.mount_options import FLAGS
from rokcsi.mounting.options import point_flags, read_options
from rokcsi.system.mounts import MS_LAZYTIME, MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_SYNCHRONOUS

_VALUED = {
    "xfs": ("allocsize=64k", "logbufs=8", "logbsize=256k"),
    "ext4": ("commit=30", "data=ordered", "errors=remount-ro", "stripe=16"),
}


def test_no_volume_has_device_nodes_or_set_user_id_programs() -> None:
    assert read_options((), "ext4").point_flags == MS_NOSUID | MS_NODEV
    assert read_options(("defaults", "rw", "exec"), "xfs").point_flags == MS_NOSUID | MS_NODEV


def test_xfs_always_ignores_that_clones_share_a_uuid() -> None:
    assert read_options((), "xfs").text == ("nouuid",)
    assert read_options(("nouuid", "inode64"), "xfs").text == ("nouuid", "inode64")
    assert read_options((), "ext4").text == ()


def test_options_are_sorted_into_those_of_the_mount_point_and_those_of_the_whole() -> None:
    read = read_options(("ro,noatime", "sync", "noexec,lazytime", "logbufs=8"), "xfs")
    assert read.point_flags == MS_NOSUID | MS_NODEV | MS_RDONLY | MS_NOATIME | MS_NOEXEC
    assert read.whole_flags == MS_SYNCHRONOUS | MS_LAZYTIME
    assert read.text == ("nouuid", "logbufs=8")
    assert read.readonly
    assert point_flags(("ro,noatime", "sync", "logbufs=8")) == MS_RDONLY | MS_NOATIME


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_every_flag_of_the_allow_list_is_known_to_some_file_system(filesystem: str) -> None:
    refused = set()
    for option in sorted(FLAGS):
        try:
            read_options((option,), filesystem)
        except InvalidRequest:
            refused.add(option)
    assert refused == ({"inode32", "inode64", "largeio", "nouuid", "swalloc"} if filesystem == "ext4" else set())


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_values_belong_to_their_file_system(filesystem: str) -> None:
    for owner, options in _VALUED.items():
        for option in options:
            if owner == filesystem:
                assert option in read_options((option,), filesystem).text
            else:
                with pytest.raises(InvalidRequest, match=f"{filesystem} has no mount option"):
                    read_options((option,), filesystem)


@pytest.mark.parametrize(
    "option", ["norecovery", "noload", "suid", "dev", "errors=panic", "logdev=/dev/sda", "user_id=0", "é"]
)
def test_what_is_not_allowed_is_named_with_the_list(option: str) -> None:
    with pytest.raises(InvalidRequest, match=r"these are: .*noatime"):
        read_options((f"noatime,{option}",), "xfs")


def test_another_file_system_is_refused_with_the_choice() -> None:
    with pytest.raises(InvalidRequest, match="xfs, ext4"):
        read_options((), "btrfs")
