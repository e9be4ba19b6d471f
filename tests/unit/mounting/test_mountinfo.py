from __future__ import annotations

import os
from pathlib import Path

from rokcsi.system.mounts import parsed

# Linux 6.1, Debian 12: cat /proc/self/mountinfo after mount -o loop, --bind and remount,ro
_TEXT = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 7:3 / /var/lib/k\040let/\134odd\011name rw,nosuid,nodev,relatime shared:5 master:2 - xfs /dev/loop3 rw,attr2,inode64
31 22 7:3 /sub\040folder /mnt ro,relatime - xfs /dev/loop3 rw,attr2
32 22 0:5 /loop7 /dev/pod rw - devtmpfs devtmpfs rw,size=10k
33 22 0:40 / /x rw propagate_from:2 - tmpfs  ro
"""


def test_mountinfo_is_read_with_its_escapes_and_optional_fields() -> None:
    entries = parsed(_TEXT)
    assert len(entries) == 5
    second = entries[1]
    assert second.point == Path("/var/lib/k let/\\odd\tname")
    assert second.device == os.makedev(7, 3)
    assert second.options == ("rw", "nosuid", "nodev", "relatime")
    assert (second.filesystem, second.source) == ("xfs", "/dev/loop3")


def test_a_mount_is_readonly_by_its_point_or_by_its_file_system() -> None:
    assert [entry.readonly for entry in parsed(_TEXT)] == [False, False, True, False, True]


def test_the_part_of_the_file_system_that_is_shown_is_told() -> None:
    assert [entry.root for entry in parsed(_TEXT)] == ["/", "/", "/sub folder", "/loop7", "/"]
