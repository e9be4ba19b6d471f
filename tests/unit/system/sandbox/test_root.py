"""Which mounts of a host a pod sees."""

from __future__ import annotations

import pytest

from rokcsi.system.mounts import parsed
from rokcsi.system.sandbox.plan import SandboxPlan, VolumeBind
from rokcsi.system.sandbox.root import _to_take_over

# A Debian 12 laptop's mount table, shortened (util-linux 2.38.1).
LAPTOP = r"""
22 28 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
23 28 0:22 / /proc rw,nosuid shared:13 - proc proc rw
24 28 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
26 28 0:24 / /run rw,nosuid shared:5 - tmpfs tmpfs rw
28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
29 22 0:6 / /sys/kernel/security rw shared:8 - securityfs securityfs rw
35 23 0:31 / /proc/sys/fs/binfmt_misc rw shared:14 - autofs systemd-1 rw
41 28 259:2 / /boot rw,relatime shared:20 - ext4 /dev/nvme0n1p2 rw
42 41 259:1 / /boot/efi rw,relatime shared:21 - vfat /dev/nvme0n1p1 rw
43 28 253:2 / /home rw,relatime shared:22 - ext4 /dev/mapper/vg-home rw
44 28 0:40 / /tmp rw shared:23 - tmpfs tmpfs rw
45 28 7:3 / /snap/core/1 ro shared:24 - squashfs /dev/loop3 ro
46 28 7:9 / /var/lib/rokcsi/cluster/plugins/rokcsi.dev/ab/globalmount rw shared:25 - xfs /dev/loop9 rw
47 28 0:44 / /var/lib/docker/overlay2/x/merged rw shared:26 - overlay overlay rw
48 28 0:45 / /mnt/big\040disk rw shared:27 - nfs4 nas:/big rw
49 28 8:1 / /srv/pool/inside rw shared:28 - xfs /dev/sda1 rw
50 43 0:50 / /home/me/.cache rw shared:29 - tmpfs tmpfs rw
51 43 0:51 / /home rw shared:30 - btrfs /dev/sdb rw
"""


def test_a_pod_sees_the_hosts_files_and_no_kernels_no_containers_and_no_volumes() -> None:
    seen = _to_take_over(parsed(LAPTOP.strip()), ("/srv/pool",))
    assert seen == ["/run", "/boot", "/boot/efi", "/mnt/big disk", "/home/me/.cache", "/home"]


@pytest.mark.parametrize("inside", [None, 17])
def test_a_plan_survives_its_journey(inside: int | None) -> None:
    plan = SandboxPlan(
        command=("sh", "-c", "echo ü"),
        environment={"A": "1"},
        working_directory="/",
        scratch="/s",
        quiet_lock="/l",
        binds=(VolumeBind("/a", "/b", readonly=True),),
        hidden=("/h",),
        inside=inside,
    )
    assert SandboxPlan.from_json(plan.to_json()) == plan
