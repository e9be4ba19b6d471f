"""`make bench-kubernetes`: from a snapshot to a running pod, beside other drivers of the same cluster, turn by turn.

A driver is a class of volumes and a class of snapshots; others than ours are installed
before, as their own pages say. Prints a table and writes bench/results/kubernetes.json.
Nothing here gates: a figure that misses its goal is explained in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import field
from cluster import Namespace, TooSlow
from figures import Figure, p50, report
from our_calls import OurCalls
from restoring import LARGE, SMALL, Content, Driver, Restoring, Start

from rokcsi.kube.connecting import api_client

MILLI = 1e3
OUR_SHARE_GOAL = 0.05
OURS = Driver("rokcsi", "rokcsi", "rokcsi")


class Rounds:
    """All drivers in turn with one content, ours first; one that is too slow is left out from then on."""

    def __init__(self, restoring: Restoring, drivers: Sequence[Driver], content: Content) -> None:
        self.snapshots: dict[str, list[float]] = {each.name: [] for each in drivers}
        self.starts: dict[str, list[Start]] = {each.name: [] for each in drivers}
        self.bare: list[float] = []
        self.snapshot_shares: list[float] = []
        self._restoring, self._content = restoring, content
        self._sources = {}
        for each in drivers:
            with self._patiently(each):
                self._sources[each] = restoring.filled(each, content)

    def play(self, rounds: int) -> None:
        """Take a snapshot and start a pod from it with each driver, and a pod without a volume; so many times."""
        for _ in range(rounds):
            self.bare.append(self._restoring.start_bare())
            for driver, source in list(self._sources.items()):
                with self._patiently(driver):
                    self._one(driver, source)

    def crowd(self, number: int) -> dict[str, list[float]]:
        """Give how long each driver needs until so many pods run that were asked for at once."""
        taken: dict[str, list[float]] = {}
        for driver, source in list(self._sources.items()):
            with self._patiently(driver):
                snapshot, _, _ = self._restoring.snapshot(driver, source)
                taken[driver.name] = [self._restoring.crowd(driver, snapshot, self._content, number)]
                self._restoring.forget(snapshot)
        return taken

    def end(self) -> None:
        """Let the sources go."""
        for source in self._sources.values():
            self._restoring.let_go(source)

    def _one(self, driver: Driver, source: str) -> None:
        snapshot, seconds, calls = self._restoring.snapshot(driver, source)
        start = self._restoring.start(driver, snapshot, self._content)
        self._restoring.forget(snapshot)
        self.snapshots[driver.name].append(seconds)
        self.starts[driver.name].append(start)
        if driver is OURS:
            self.snapshot_shares.append(calls / seconds)

    @contextmanager
    def _patiently(self, driver: Driver) -> Iterator[None]:
        try:
            yield
        except TooSlow as slow:
            print(f"{driver.name}, {self._content.name}: {slow}", file=sys.stderr, flush=True)
            self._sources.pop(driver, None)


def beside(metric: str, seconds: Mapping[str, Sequence[float]]) -> Iterator[Figure]:
    """Give our median beside that of each other driver that has one."""
    ours = p50([*seconds[OURS.name]])
    yield Figure(metric, "s", ours, None, None)
    for name, theirs in seconds.items():
        if name != OURS.name and theirs:
            yield Figure(f"  … beside {name}", "s", ours, p50([*theirs]), ours / p50([*theirs]))


def parts(starts: Sequence[Start], bare: Sequence[float]) -> Iterator[Figure]:
    """Where the time of our pods goes, step by step, and what of it is ours."""
    whole = p50([each.running for each in starts])

    def part(metric: str, seconds: Sequence[float]) -> Figure:
        return Figure(metric, "ms", p50([*seconds]) * MILLI, whole * MILLI, p50([*seconds]) / whole)

    yield part("  of it until the claim has a node", [each.chosen for each in starts])
    yield part("  … until the claim is bound", [each.bound - each.chosen for each in starts])
    yield part("  … until the pod has its node", [each.scheduled - each.bound for each in starts])
    yield part("  … until the pod runs", [each.running - each.scheduled for each in starts])
    for method in starts[0].calls:
        yield part(f"    our {method}", [each.calls[method] for each in starts])
    shares = [sum(each.calls.values()) / each.running for each in starts]
    ours = p50([sum(each.calls.values()) for each in starts])
    yield Figure("  our calls ÷ all of it", "ms", ours * MILLI, whole * MILLI, p50(shares), OUR_SHARE_GOAL)
    yield Figure("  all of it ÷ a pod without a volume", "s", whole, p50([*bare]), whole / p50([*bare]))


def figures(rounds: Rounds, content: Content) -> Iterator[Figure]:
    """What the rounds with one content have shown."""
    yield from beside(f"VolumeSnapshot → ready to use, {content.name}, p50", rounds.snapshots)
    share = p50(rounds.snapshot_shares)
    taken = p50(rounds.snapshots[OURS.name])
    yield Figure("  our calls ÷ all of it", "ms", share * taken * MILLI, taken * MILLI, share)
    running = {name: [each.running for each in starts] for name, starts in rounds.starts.items()}
    yield from beside(f"claim from a snapshot → pod runs, {content.name}, p50", running)
    yield from parts(rounds.starts[OURS.name], rounds.bare)


def measure(restoring: Restoring, drivers: Sequence[Driver], given: argparse.Namespace) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    crowd = 4 if given.quick else 20
    for content, rounds in ((SMALL, 2 if given.quick else 10), (LARGE, 0 if given.quick else 3)):
        if not rounds or given.only not in (None, content.name.split()[0]):
            continue
        play = Rounds(restoring, drivers, content)
        play.play(rounds)
        yield from figures(play, content)
        if content is SMALL:
            yield from beside(f"{crowd} claims and pods at once → the last runs, {content.name}", play.crowd(crowd))
        play.end()


def driver(text: str) -> Driver:
    """Read NAME=VOLUMES,SNAPSHOTS."""
    name, _, classes = text.partition("=")
    volumes, _, snapshots = classes.partition(",")
    if not (name and volumes and snapshots):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=STORAGE-CLASS,SNAPSHOT-CLASS")
    return Driver(name, volumes, snapshots)


def asked_for() -> argparse.Namespace:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("beside", nargs="*", type=driver, metavar="NAME=STORAGE-CLASS,SNAPSHOT-CLASS")
    arguments.add_argument("--namespace", default="rokcsi-system", help="where our driver is")
    arguments.add_argument("--node", default="lab-node-1", help="where all pods run")
    arguments.add_argument("--only", choices=["256", "8"], help="one of the two contents")
    arguments.add_argument("--patience", type=float, default=300.0, help="seconds after which a driver is left out")
    arguments.add_argument("--quick", action="store_true", help="few rounds: shows that it runs")
    return arguments.parse_args()


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    given, api = asked_for(), api_client()
    facts = field.facts() | {"load_before": f"{os.getloadavg()[0]:.1f}"}
    with Namespace(api) as namespace:
        restoring = Restoring(namespace, OurCalls(api, given.namespace), given.node, given.patience)
        report(measure(restoring, [OURS, *given.beside], given), facts, "kubernetes")


if __name__ == "__main__":
    main()
