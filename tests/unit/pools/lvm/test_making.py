from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, PoolFull, Unavailable
from rokcsi.model.pool_making import PoolWish
from rokcsi.model.sizes import Bytes
from rokcsi.pools.lvm.making import ThinPoolMaker
from rokcsi.system.command import Completed
from tests.fakes.scripted_runner import ScriptedRunner

RECORDINGS = Path(__file__).parents[3] / "recordings" / "lvm-2.03.16"
REFUSALS = json.loads((RECORDINGS / "refusals.json").read_text(encoding="utf-8"))["refusals"]
GIB, TIB = 1 << 30, 1 << 40
NO_GROUP = Completed("", REFUSALS["no-group"]["stderr"], 5)


def group_with(free: int) -> str:
    """Give what `vgs` prints of a group with so many bytes free."""
    group = {"vg_name": "vg", "vg_uuid": "u", "vg_extent_size": "4194304", "vg_free": str(free)}
    metadata = {"vg_mda_size": "67108864", "vg_mda_free": "33000000", "vg_missing_pv_count": "0"}
    return json.dumps({"report": [{"vg": [group | metadata]}]})


def maker(*, free: int = TIB, pool: str = "thin") -> ThinPoolMaker:
    """Give a maker in a group that holds what the recorded one does."""
    report = (RECORDINGS / "report.json").read_text(encoding="utf-8")
    runner = ScriptedRunner({"lvm vgs": Completed(group_with(free), ""), "lvm lvs": Completed(report, "")})
    return ThinPoolMaker("vg", pool, runner)


def words_after(command: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((word, command[at + 1]) for at, word in enumerate(command) if word.startswith("--") and word != "--")


def test_a_pool_takes_most_of_what_a_group_has_free() -> None:
    [step] = maker().plan(PoolWish())
    options = dict(words_after(step.command))
    assert step.command[:2] == ("lvm", "lvcreate")
    assert step.command[-2:] == ("--", "vg/thin")
    assert "--thin" in step.command
    assert (options["--zero"], options["--errorwhenfull"], options["--chunksize"]) == ("y", "y", "65536b")
    size, metadata = (int(options[name][:-1]) for name in ("--size", "--poolmetadatasize"))
    assert metadata == 4 * GIB
    assert 0.9 * TIB < size + 2 * metadata <= TIB


def test_a_pool_is_as_large_as_wished() -> None:
    [step] = maker().plan(PoolWish(size=Bytes(10 * GIB)))
    assert dict(words_after(step.command))["--size"] == f"{10 * GIB}b"


def test_a_very_large_pool_has_larger_chunks() -> None:
    [step] = maker(free=100 * TIB).plan(PoolWish())
    assert dict(words_after(step.command))["--chunksize"] == "1048576b"
    assert dict(words_after(step.command))["--poolmetadatasize"] == f"{15 * GIB}b"


@pytest.mark.parametrize(("free", "wish"), [(0, None), (200 << 20, None), (GIB, Bytes(GIB)), (GIB, Bytes(1 << 20))])
def test_a_pool_that_does_not_fit_is_refused(free: int, wish: Bytes | None) -> None:
    with pytest.raises(PoolFull, match="twice"):
        maker(free=free).plan(PoolWish(size=wish))


def test_a_pool_that_is_there_needs_nothing_and_takes_no_disk() -> None:
    assert maker(pool="pool").plan(PoolWish()) == ()
    with pytest.raises(InvalidRequest, match="vgextend"):
        maker(pool="pool").plan(PoolWish(disks=(Path("/dev/null"),)))


def test_a_logical_volume_that_is_no_thin_pool_is_in_the_way() -> None:
    with pytest.raises(InvalidRequest, match="no thin pool"):
        maker(pool="linear").plan(PoolWish())


def test_a_group_that_is_there_takes_no_disk() -> None:
    with pytest.raises(InvalidRequest, match="vgextend"):
        maker().plan(PoolWish(disks=(Path("/dev/null"),)))


def test_a_group_that_is_not_there_needs_disks_which_are_disks() -> None:
    missing = ThinPoolMaker("nosuch", "thin", ScriptedRunner({"lvm vgs": NO_GROUP}))
    with pytest.raises(InvalidRequest, match="--disk"):
        missing.plan(PoolWish())
    for no_disk in ("/dev/null", "/no/such/disk", "/etc"):
        with pytest.raises(InvalidRequest, match=re.escape(no_disk)):
            missing.plan(PoolWish(disks=(Path(no_disk),)))


def test_a_pool_made_by_others_is_looked_at() -> None:
    seen = {concern.what: concern for concern in maker(pool="pool").concerns()}
    assert seen["new blocks are zeroed"].good
    assert not seen["writers are told when it is full"].good
    assert "lvchange --errorwhenfull y vg/pool" in seen["writers are told when it is full"].remedy
    assert seen["room for the volume group's own metadata"].seen.startswith("1% of")
    assert seen["all disks of the volume group are there"].good


def test_a_pool_that_is_not_there_is_not_looked_at() -> None:
    with pytest.raises(Unavailable, match="no such thin pool"):
        maker(pool="never").concerns()
    with pytest.raises(Unavailable, match="no such volume group"):
        ThinPoolMaker("nosuch", "pool", ScriptedRunner({"lvm lvs": NO_GROUP})).concerns()
