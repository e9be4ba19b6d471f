"""The bench's table says what was measured: ours beside each other driver's, every part of ours, and what of it is our own."""

from __future__ import annotations

import pytest

from bench.figures import Figure
from bench.played import Crowd, Cut, Played, Start
from bench.pod_figures import crowd_figures, figures

CALLS = {"controller CreateVolume": 0.010, "node NodeStageVolume": 0.030}


def rows(played: Played) -> dict[str, Figure]:
    return {each.metric.strip(): each for each in figures(played, "content")}


@pytest.fixture
def played() -> Played:
    """Three rounds of ours, with a slow one among them, and two of another's."""
    played = Played.by(["rokcsi", "other", "gone"])
    played.cuts["rokcsi"].extend([Cut(0.2, 0.01), Cut(0.4, 0.02), Cut(9.0, 0.02)])
    played.cuts["other"].extend([Cut(1.0, 0.0), Cut(3.0, 0.0)])
    played.starts["rokcsi"].extend(
        [Start(0.1, 0.2, 1.0, 2.0, CALLS), Start(0.1, 0.2, 1.0, 2.0, CALLS), Start(0.5, 1.2, 3.0, 8.0, CALLS)]
    )
    played.starts["other"].extend([Start(0.3, 0.4, 0.5, 4.0, {}), Start(0.3, 0.4, 0.5, 4.0, {})])
    played.bare.extend([0.5, 0.5, 0.7])
    return played


def test_our_median_stands_beside_that_of_another_and_the_ratio_is_ours_by_theirs(played: Played) -> None:
    table = [each for each in figures(played, "content") if each.metric == "  … beside other"]
    assert (table[0].ours, table[0].floor, table[0].ratio) == (0.4, 2.0, 0.2)
    assert (table[1].ours, table[1].floor, table[1].ratio) == (2.0, 4.0, 0.5)


def test_a_driver_that_was_left_out_before_its_first_round_has_no_row(played: Played) -> None:
    assert not [metric for metric in rows(played) if "gone" in metric]


def test_the_parts_of_a_start_come_to_all_of_it(played: Played) -> None:
    for start in played.starts["rokcsi"]:
        assert sum(start.parts.values()) == pytest.approx(start.running)
    shares = [each.ratio for metric, each in rows(played).items() if metric.startswith("of it")]
    assert shares == pytest.approx([0.05, 0.05, 0.4, 0.5])


def test_a_part_stands_beside_the_same_part_of_another(played: Played) -> None:
    table = list(figures(played, "content"))
    place = next(n for n, each in enumerate(table) if each.metric == "  of it until the pod runs")
    assert (table[place].unit, table[place + 1].metric) == ("ms", "  … beside other")
    assert (table[place].ours, table[place + 1].floor) == pytest.approx((1000, 3500))


def test_our_share_of_a_start_is_that_of_each_round_and_has_a_goal(played: Played) -> None:
    calls = rows(played)["our calls ÷ all of it"]
    assert (calls.ours, calls.floor, calls.ratio) == pytest.approx((40, 2000, 0.02))
    assert calls.verdict == "met"


def test_the_timelines_choice_of_a_node_counts_as_ours_where_it_is_told_so(played: Played) -> None:
    placed = rows(played)["… and until the claim has a node ÷ all of it"]
    assert (placed.ours, placed.ratio) == pytest.approx((140, 0.07))
    assert placed.verdict == "missed"


def test_our_share_of_a_snapshot_is_not_moved_by_one_slow_round(played: Played) -> None:
    share = next(each for each in figures(played, "content") if each.metric.strip() == "our calls ÷ all of it")
    assert (share.ours, share.floor, share.ratio) == pytest.approx((20, 400, 0.05))


def test_a_start_is_compared_with_a_pod_that_has_no_volume(played: Played) -> None:
    assert rows(played)["all of it ÷ a pod without a volume"].ratio == pytest.approx(4)


def test_of_a_crowd_the_half_and_the_last_are_told() -> None:
    played = Played.by(["rokcsi", "other"])
    played.crowds["rokcsi"].append(Crowd.of([4.0, 1.0, 3.0, 2.0]))
    played.crowds["other"].append(Crowd.of([8.0, 2.0]))
    told = [(each.ours, each.floor, each.ratio) for each in crowd_figures(played, "content", 4)]
    assert told == [(2.0, None, None), (2.0, 2.0, 1.0), (4.0, None, None), (4.0, 8.0, 0.5)]
