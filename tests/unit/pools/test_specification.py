from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest
from rokcsi.pools.specification import PoolSpecification


@pytest.mark.parametrize("text", ["loopfile:/srv/pool", "loopfile:/srv/pool/", "loopfile://srv/./pool"])
def test_a_folder_is_read(text: str) -> None:
    specification = PoolSpecification.parse(text)
    assert (specification.kind, specification.folder) == ("loopfile", Path("/srv/pool"))
    assert str(specification) == "loopfile:/srv/pool"


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("lvm:vg0/thin", "lvm", ("vg0", "thin")),
        ("lvm:v-g+1_.x/thin-pool", "lvm", ("v-g+1_.x", "thin-pool")),
        ("lvm-direct:vg0/thin", "lvm-direct", ("vg0", "thin")),
        ("zfs:tank/rokcsi", "zfs", ("tank", "rokcsi")),
        ("zfs:tank-1.a:b/data/rok.csi:x", "zfs", ("tank-1.a:b", "data/rok.csi:x")),
    ],
)
def test_a_thin_pool_and_a_dataset_are_read(text: str, kind: str, parts: tuple[str, str]) -> None:
    specification = PoolSpecification.parse(text)
    assert (specification.kind, specification.parts, str(specification)) == (kind, parts, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no known kind"),
        ("loopfile", "no known kind"),
        ("/srv/pool", "no known kind"),
        ("LoopFile:/srv/pool", "no known kind"),
        (" loopfile:/srv/pool", "no known kind"),
        ("memory:/srv/pool", "no known kind"),
        ("lvm", "no known kind"),
        ("loopfile:", "names no place"),
        ("lvm:", "names no place"),
        ("zfs:", "names no place"),
        ("loopfile:srv/pool", "relative"),
        ("loopfile:./pool", "relative"),
        ("loopfile:~/pool", "relative"),
        ("loopfile:/srv/../etc", r"`\.\.`"),
        ("loopfile:/", "whole root"),
        ("loopfile:///", "whole root"),
        ("loopfile:/srv/\0pool", "control character"),
        ("loopfile:/srv/pool\n", "control character"),
        ("lvm:vg/thin\n", "control character"),
        ("zfs:tank/rokcsi\0", "control character"),
        ("lvm:vg", "not a volume group and a thin pool"),
        ("lvm:vg/thin/x", "not a volume group and a thin pool"),
        ("lvm:/dev/vg/thin", "not a volume group and a thin pool"),
        ("lvm:vg/../x", "not a volume group and a thin pool"),
        ("lvm:../x", "no LVM name"),
        ("lvm:vg/..", "no LVM name"),
        ("lvm:-vg/thin", "no LVM name"),
        ("lvm:vg/--force", "no LVM name"),
        ("lvm:/thin", "no LVM name"),
        ("lvm:vg/", "no LVM name"),
        ("lvm:v g/thin", "no LVM name"),
        ("lvm:vg/é", "no LVM name"),
        ("lvm:vg/t@x", "no LVM name"),
        ("lvm-direct:vg/$(reboot)", "no LVM name"),
        (f"lvm:vg/{'x' * 128}", "no LVM name"),
        ("zfs:tank", "whole ZFS pool"),
        ("zfs:tank/", "no ZFS dataset"),
        ("zfs:/tank/x", "no ZFS dataset"),
        ("zfs:tank/a@b", "no ZFS dataset"),
        ("zfs:tank/a#b", "no ZFS dataset"),
        ("zfs:tank/a%b", "no ZFS dataset"),
        ("zfs:tank/-R", "no ZFS dataset"),
        ("zfs:-tank/x", "no ZFS dataset"),
        ("zfs:1tank/x", "no ZFS dataset"),
        ("zfs:tank/..", "no ZFS dataset"),
        ("zfs:tank/../x", "no ZFS dataset"),
        ("zfs:tank//x", "no ZFS dataset"),
        ("zfs:tank/a b", "no ZFS dataset"),
        (f"zfs:tank/{'x' * 125}", "longer than"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        PoolSpecification.parse(text)
