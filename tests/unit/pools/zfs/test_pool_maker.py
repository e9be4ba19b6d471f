from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, PoolAway, StillInUse
from rokcsi.model.pool_making import PoolWish
from rokcsi.model.sizes import Bytes
from rokcsi.pools.zfs import home, pool_maker
from rokcsi.pools.zfs.pool_maker import ZfsPoolMaker, exists
from rokcsi.system.command import Completed
from tests.fakes.scripted_runner import ScriptedRunner

MISSING = Completed("", "cannot open 'tank/ours': dataset does not exist", 1)
ASKED = ("dev.rokcsi:pool", "dev.rokcsi:opened", "type", "guid", "volmode", "snapdev", "readonly")


def properties(pool: str, source: str) -> Completed:
    values = (pool, "-", "filesystem", "7", "dev", "hidden", "off")
    lines = [f"tank/ours\t{name}\t{value}\t{source}" for name, value in zip(ASKED, values, strict=True)]
    return Completed("\n".join(lines) + "\n", "")


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The state of the ZFS pool, as a test wants it."""
    states: list[str | None] = ["ONLINE"]
    for module in (home, pool_maker):
        monkeypatch.setattr(module, "pool_state", lambda _: states[0])
    return states


def maker(answer: Completed) -> ZfsPoolMaker:
    return ZfsPoolMaker("tank/ours", ScriptedRunner({"zfs get": answer}))


def test_a_pool_that_is_there_needs_no_step(state: list[str | None]) -> None:
    assert list(maker(properties("a" * 32, "local")).plan(PoolWish())) == []


def test_a_dataset_that_is_missing_is_made_with_all_that_it_needs(state: list[str | None]) -> None:
    [step] = maker(MISSING).plan(PoolWish(size=Bytes(1 << 30)))
    assert step.command[:3] == ("zfs", "create", "-p")
    assert step.command[-2:] == ("--", "tank/ours")
    for each in ("volmode=dev", "snapdev=hidden", "canmount=off", "quota=1073741824", "com.sun:auto-snapshot=false"):
        assert each in step.command
    assert any(word.startswith("dev.rokcsi:pool=") for word in step.command)


def test_a_dataset_of_somebody_else_is_refused(state: list[str | None]) -> None:
    with pytest.raises(StillInUse, match="no pool of rokcsi"):
        maker(properties("a" * 32, "inherited from tank")).plan(PoolWish())


def test_without_a_zfs_pool_disks_have_to_be_named(state: list[str | None]) -> None:
    state[0] = None
    with pytest.raises(InvalidRequest, match="--disk"):
        maker(MISSING).plan(PoolWish())


@pytest.mark.parametrize(("disks", "layout"), [(("a",), []), (("a", "b"), ["mirror"]), (("a", "b", "c"), ["mirror"])])
def test_disks_become_a_zfs_pool_and_several_a_mirror(
    state: list[str | None], monkeypatch: pytest.MonkeyPatch, disks: tuple[str, ...], layout: list[str]
) -> None:
    state[0] = None
    looked_at: list[Path] = []
    monkeypatch.setattr(pool_maker, "refuse_used", lambda disk, _: looked_at.append(disk))
    paths = tuple(Path("/dev") / disk for disk in disks)
    pool, dataset = maker(MISSING).plan(PoolWish(paths))
    assert looked_at == list(paths)
    assert list(pool.command[:2]) == ["zpool", "create"]
    assert list(pool.command[pool.command.index("--") :]) == ["--", "tank", *layout, *map(str, paths)]
    assert dataset.command[-1] == "tank/ours"


def test_disks_are_not_added_to_a_pool_that_is_there(state: list[str | None]) -> None:
    with pytest.raises(InvalidRequest, match="zpool add tank"):
        maker(MISSING).plan(PoolWish((Path("/dev/sdx"),)))


def test_a_pool_that_does_not_work_is_said_to_be_away(state: list[str | None]) -> None:
    state[0] = "SUSPENDED"
    with pytest.raises(PoolAway, match="SUSPENDED"):
        maker(MISSING).plan(PoolWish())
    with pytest.raises(PoolAway):
        exists("tank/ours", ScriptedRunner())


def test_a_pool_exists_when_its_dataset_says_so(state: list[str | None]) -> None:
    for answer, there in ((properties("a" * 32, "local"), True), (MISSING, False)):
        assert exists("tank/ours", ScriptedRunner({"zfs get": answer})) is there
    assert not exists("tank/ours", ScriptedRunner({"zfs get": properties("-", "-")}))


def test_settings_that_hurt_are_concerns(state: list[str | None]) -> None:
    good = {
        "volmode": "dev",
        "snapdev": "hidden",
        "readonly": "off",
        "sync": "standard",
        "com.sun:auto-snapshot": "false",
    }
    for name, bad in {"sync": "disabled", "volmode": "none", "com.sun:auto-snapshot": "-"}.items():
        values = {**good, name: bad, "quota": "0", "used": "90", "available": "10"}
        shown = "".join(f"tank/ours\t{key}\t{value}\tlocal\n" for key, value in values.items())
        runner = ScriptedRunner(
            {
                "zfs get": Completed(shown, ""),
                "zpool get": Completed("ONLINE\n12\nactive\n", ""),
                "zpool list": Completed("tank\t1\n\tmirror-0\t1\t1\t1\n\ta\t1\t-\t-\n", ""),
            }
        )
        concerns = {each.what: each for each in ZfsPoolMaker("tank/ours", runner).concerns() if not each.good}
        assert set(concerns) == {f"property {name}", "room"}
        assert f"zfs set {name}=" in concerns[f"property {name}"].remedy
        assert concerns["room"].seen == "90 % used"
