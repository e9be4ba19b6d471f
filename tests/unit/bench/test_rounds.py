"""Rounds of the bench: each driver takes its turn, none always after the same one, and who is too slow is out and goes first."""

from __future__ import annotations

import pytest

from bench.cluster import TooSlow
from bench.contents import TINY, Content
from bench.played import Crowd, Cut, Start
from bench.restoring import Driver, Restoring
from bench.rounds import Rounds, in_turn

OURS, ONE, TWO = (Driver(name, name, name) for name in ("rokcsi", "one", "two"))


class ScriptedRestoring(Restoring):
    """Writes down what it is asked for; a driver of `slow` is too slow for the deed of that name."""

    def __init__(self, **slow: str) -> None:
        self.asked: list[str] = []
        self._slow = slow

    def _do(self, deed: str, driver: Driver) -> None:
        self.asked.append(f"{deed} {driver.name}")
        if self._slow.get(driver.name) == deed:
            raise TooSlow(deed)

    def filled(self, driver: Driver, content: Content) -> str:
        self._do("fill", driver)
        return f"source of {driver.name}"

    def snapshot(self, driver: Driver, source: str) -> tuple[str, Cut]:
        assert source == f"source of {driver.name}"
        self._do("snapshot", driver)
        return f"snapshot of {driver.name}", Cut(1.0, 0.1)

    def start(self, driver: Driver, snapshot: str, content: Content) -> Start:
        assert snapshot == f"snapshot of {driver.name}"
        self._do("start", driver)
        return Start(0.1, 0.2, 0.3, 0.4, {})

    def start_bare(self) -> float:
        return 0.5

    def crowd(self, driver: Driver, snapshot: str, content: Content, number: int) -> Crowd:
        self._do("crowd", driver)
        return Crowd.of([float(number)])

    def forget(self, snapshot: str) -> None:
        self.asked.append(f"forget {snapshot}")

    def clear(self, driver: Driver) -> None:
        self._do("clear", driver)


def test_another_driver_begins_each_round() -> None:
    orders = [[each.name for each in in_turn([OURS, ONE, TWO], turn)] for turn in range(4)]
    assert orders == [["rokcsi", "one", "two"], ["one", "two", "rokcsi"], ["two", "rokcsi", "one"], orders[0]]


def test_each_round_has_a_snapshot_and_a_start_of_each_driver_and_a_bare_pod() -> None:
    rounds = Rounds(ScriptedRestoring(), [OURS, ONE], TINY)
    rounds.play(3)
    assert {name: len(cuts) for name, cuts in rounds.played.cuts.items()} == {"rokcsi": 3, "one": 3}
    assert {name: len(starts) for name, starts in rounds.played.starts.items()} == {"rokcsi": 3, "one": 3}
    assert len(rounds.played.bare) == 3


@pytest.mark.parametrize("deed", ["fill", "snapshot", "start", "crowd"])
def test_a_driver_that_is_too_slow_is_cleared_away_before_the_next_one_begins_and_stays_out(deed: str) -> None:
    restoring = ScriptedRestoring(one=deed)
    rounds = Rounds(restoring, [OURS, ONE, TWO], TINY)
    rounds.play(2)
    rounds.crowd(4)
    given_up = restoring.asked.index(f"{deed} one")
    assert restoring.asked[given_up + 1] == "clear one"
    assert not [each for each in restoring.asked[given_up + 2 :] if each.endswith("one")]
    assert len(rounds.played.starts["rokcsi"]) == len(rounds.played.starts["two"]) == 2
    assert rounds.played.crowds["two"] == [Crowd(4.0, 4.0)]


def test_what_a_slow_driver_does_not_let_go_of_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    restoring = ScriptedRestoring(one="clear")
    Rounds(restoring, [OURS, ONE], TINY).end()
    assert restoring.asked[-2:] == ["clear rokcsi", "clear one"]
    assert "one may disturb what follows" in capsys.readouterr().err


def test_ours_being_too_slow_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="rokcsi, 16 MiB in 64 files"):
        Rounds(ScriptedRestoring(rokcsi="fill"), [OURS, ONE], TINY)
