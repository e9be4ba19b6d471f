"""The figures of the bench in a cluster: ours beside those of each other driver, and where the time of our pods goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.figures import Figure, p50
from bench.played import Played, Start

MILLI = 1e3
OUR_SHARE_GOAL = 0.05
OURS = "rokcsi"


def figures(played: Played, content: str) -> Iterator[Figure]:
    """What the rounds with one content have shown."""
    cuts = {name: [each.usable for each in those] for name, those in played.cuts.items()}
    yield from beside(f"VolumeSnapshot → ready to use, {content}, p50", "s", cuts)
    yield _our_call_of_a_cut(played)
    running = {name: [each.running for each in those] for name, those in played.starts.items()}
    yield from beside(f"claim from a snapshot → pod runs, {content}, p50", "s", running)
    yield from _parts(played.starts)
    yield from _our_share(played.starts[OURS], played.bare)


def crowd_figures(played: Played, content: str, number: int) -> Iterator[Figure]:
    """What asking for many pods at once has shown."""
    what = f"{number} claims and pods at once, {content}"
    half = {name: [each.half for each in those] for name, those in played.crowds.items()}
    last = {name: [each.last for each in those] for name, those in played.crowds.items()}
    yield from beside(f"{what} → half of them run", "s", half)
    yield from beside(f"{what} → the last runs", "s", last)


def beside(metric: str, unit: str, values: Mapping[str, Sequence[float]]) -> Iterator[Figure]:
    """Give our median beside that of each other driver that has one, and ours ÷ theirs."""
    ours = p50([*values[OURS]])
    yield Figure(metric, unit, ours, None, None)
    for name, theirs in values.items():
        if name != OURS and theirs:
            yield Figure(f"  … beside {name}", unit, ours, p50([*theirs]), ours / p50([*theirs]))


def _our_call_of_a_cut(played: Played) -> Figure:
    """Our CreateSnapshot beside all of it."""
    cuts = played.cuts[OURS]
    calls, whole = p50([each.calls for each in cuts]), p50([each.usable for each in cuts])
    share = p50([each.calls / each.usable for each in cuts])
    return Figure("  our calls ÷ all of it", "ms", calls * MILLI, whole * MILLI, share)


def _parts(starts: Mapping[str, Sequence[Start]]) -> Iterator[Figure]:
    """Each step of a pod's start, ours beside the others' (the second column), and our share of our whole."""
    for part in starts[OURS][0].parts:
        steps = {name: [each.parts[part] * MILLI for each in those] for name, those in starts.items()}
        share = p50([each.parts[part] / each.running for each in starts[OURS]])
        first, *others = beside(f"  of it {part}", "ms", steps)
        yield Figure(first.metric, first.unit, first.ours, None, share)
        yield from others


def _our_share(starts: Sequence[Start], bare: Sequence[float]) -> Iterator[Figure]:
    """What of our pods' starts is ours; the timeline's choice of a node is told with and without."""
    whole = p50([each.running for each in starts])

    def of_it(metric: str, seconds: Sequence[float], goal: float | None = None) -> Figure:
        share = p50([part / each.running for part, each in zip(seconds, starts, strict=True)])
        return Figure(metric, "ms", p50([*seconds]) * MILLI, whole * MILLI, share, goal)

    for method in starts[0].calls:
        yield of_it(f"  our {method}", [each.calls[method] for each in starts])
    calls = [sum(each.calls.values()) for each in starts]
    yield of_it("  our calls ÷ all of it", calls, OUR_SHARE_GOAL)
    placed = [each.chosen + called for each, called in zip(starts, calls, strict=True)]
    yield of_it("  … and until the claim has a node ÷ all of it", placed, OUR_SHARE_GOAL)
    yield Figure("  all of it ÷ a pod without a volume", "s", whole, p50([*bare]), whole / p50([*bare]))
