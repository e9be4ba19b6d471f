from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from rokcsi.model.errors import PoolFull, VolumeExists
from rokcsi.model.ids import SnapshotId, VolumeId
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import NewVolume, Tuning, Volume
from rokcsi.pools.index import Index
from rokcsi.pools.zfs import store as store_module
from rokcsi.pools.zfs.attachments import Attachments
from rokcsi.pools.zfs.burial import Burial
from rokcsi.pools.zfs.making import Making
from rokcsi.pools.zfs.names import Names
from rokcsi.pools.zfs.parts import Parts
from rokcsi.pools.zfs.places import Places
from rokcsi.pools.zfs.store import Store
from rokcsi.system.command import Completed, HostRunner

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
MIB = 1 << 20
SOURCE = Snapshot(SnapshotId.of_name("s"), "s", VolumeId.of_name("v"), Bytes(MIB), "xfs", True, NOW)


class Told:
    """A ZFS that can clone in a program, as newer ones are said to do: it answers what a test wants."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.commands: list[list[str]] = []
        self.programs: list[str] = []

    def run(self, argv: list[str], **_: object) -> Completed:
        self.commands.append(list(argv))
        return Completed("", "")

    def waiting(self, argv: list[str]) -> Told:
        return self

    def is_waiting(self) -> bool:
        return False

    def told(self, text: str, **_: object) -> Completed:
        self.programs.append(text)
        return Completed(self.answer, "")

    def dismiss(self) -> None:
        """Nothing waits."""


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "pool_state", lambda _: "ONLINE")


def making(told: Told, *, reserve: bool = False, programs_clone: bool = True) -> tuple[Making, Places]:
    index, places = Index(), Places(Names("tank/ours"))
    places.put_volume(SOURCE.volume, f"tank/ours/v-{SOURCE.volume}")
    places.put_snapshot(SOURCE.id, f"tank/ours/v-{SOURCE.volume}@s-{SOURCE.id}")
    index.put_snapshot(SOURCE)
    store = Store("tank", told)  # type: ignore[arg-type]  # stands in for the host's runner
    parts = Parts(store, index, places, Attachments(index, places), reserve, programs_clone)
    return Making(parts, Burial(parts)), places


def wish(size: int = MIB, tuning: Tuning | None = None) -> NewVolume:
    return NewVolume("c", Bytes(size), "xfs", tuning=tuning or Tuning())


def test_where_a_program_can_clone_it_does_with_the_record_in_the_same_transaction_group() -> None:
    told = Told('{"return":{"failed":{}}}')
    maker, places = making(told)
    volume = maker.clone(SOURCE.id, wish())
    assert told.commands == []
    assert "zfs.sync.clone(arguments.snapshot, arguments.name)" in told.programs[0]
    assert places.volume(volume.id) == f"tank/ours/v-{volume.id}"
    assert isinstance(volume, Volume)


@pytest.mark.parametrize("new", [wish(2 * MIB), wish(tuning=Tuning(compression="off"))])
def test_what_a_program_cannot_set_is_left_to_the_command(new: NewVolume) -> None:
    told = Told('{"return":{"failed":{}}}')
    making(told)[0].clone(SOURCE.id, new)
    assert [command[:2] for command in told.commands] == [["zfs", "clone"]]
    assert told.programs == []


def test_a_reserved_clone_and_an_older_zfs_take_the_command() -> None:
    for told, settings in ((Told(""), {"reserve": True}), (Told(""), {"programs_clone": False})):
        making(told, **settings)[0].clone(SOURCE.id, wish())
        assert told.commands[0][:2] == ["zfs", "clone"]


@pytest.mark.parametrize(("number", "error"), [(17, VolumeExists), (28, PoolFull)])
def test_what_a_program_answers_is_said_in_our_words(number: int, error: type[Exception]) -> None:
    name = f"tank/ours/v-{wish().id}"
    maker, places = making(Told(f'{{"return":{{"failed":{{"{name}":{number}}}}}}}'))
    with pytest.raises(error):
        maker.clone(SOURCE.id, wish())
    assert places.known_volume(wish().id) is None


def test_every_program_is_a_function_that_returns_a_table() -> None:
    for path in (Path(store_module.__file__).parent / "programs").glob("*.lua"):
        text = path.read_text()
        assert text.startswith("-- ")
        assert text.rstrip().splitlines()[-1].startswith("return {")


def test_the_real_runner_can_be_waited_with() -> None:
    waiting = HostRunner().waiting(["cat"])
    assert waiting.is_waiting()
    assert waiting.told("something").stdout == "something"
