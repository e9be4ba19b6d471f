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
    ("text", "says"),
    [
        ("", "no known kind"),
        ("loopfile", "no known kind"),
        ("/srv/pool", "no known kind"),
        ("LoopFile:/srv/pool", "no known kind"),
        (" loopfile:/srv/pool", "no known kind"),
        ("memory:/srv/pool", "no known kind"),
        ("loopfile:", "names no folder"),
        ("loopfile:srv/pool", "relative"),
        ("loopfile:./pool", "relative"),
        ("loopfile:~/pool", "relative"),
        ("loopfile:/srv/../etc", r"`\.\.`"),
        ("loopfile:/", "whole root"),
        ("loopfile:///", "whole root"),
        ("loopfile:/srv/\0pool", "control character"),
        ("loopfile:/srv/pool\n", "control character"),
        ("lvm:vg/thin", "not in this version"),
        ("lvm", "not in this version"),
        ("zfs:tank/rokcsi", "not in this version"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        PoolSpecification.parse(text)
