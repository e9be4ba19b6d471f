"""`make bench-kubernetes`: from a snapshot to a running pod, beside other drivers of the same cluster, turn by turn.

A driver is a class of volumes and a class of snapshots; others than ours are installed
before, as their own pages say. Prints a table and writes bench/results/kubernetes.json.
Nothing here gates: a figure that misses its goal is explained in bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence

from bench import field
from bench.cluster import Namespace
from bench.contents import LARGE, SMALL, TINY
from bench.figures import Figure, report
from bench.our_calls import OurCalls
from bench.pod_figures import OURS, crowd_figures, figures
from bench.restoring import Driver, Restoring
from bench.rounds import Rounds
from rokcsi.kube.connecting import api_client


def measure(restoring: Restoring, drivers: Sequence[Driver], given: argparse.Namespace) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    crowd = 4 if given.quick else 20
    for content, times in [(TINY, 2)] if given.quick else [(SMALL, given.rounds), (LARGE, 3)]:
        if given.only not in (None, content.name.split()[0]):
            continue
        rounds = Rounds(restoring, drivers, content)
        rounds.play(times)
        yield from figures(rounds.played, content.name)
        if content is not LARGE:
            rounds.crowd(crowd)
            yield from crowd_figures(rounds.played, content.name, crowd)
        rounds.end()


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
    arguments.add_argument("--rounds", type=int, default=10, help="how often, with the small content")
    arguments.add_argument("--patience", type=float, default=300.0, help="seconds after which a driver is left out")
    arguments.add_argument("--quick", action="store_true", help="few rounds: shows that it runs")
    return arguments.parse_args()


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    given, api = asked_for(), api_client()
    drivers = [Driver(OURS, "rokcsi", "rokcsi"), *given.beside]
    facts = field.facts() | {"load_before": f"{os.getloadavg()[0]:.1f}", "rounds": given.rounds}
    began = time.monotonic()
    with Namespace(api) as namespace:
        restoring = Restoring(namespace, OurCalls(api, given.namespace), given.node, given.patience)
        report(measure(restoring, drivers, given), facts, "kubernetes")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
