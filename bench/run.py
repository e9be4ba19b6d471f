"""`make bench`: the driver beside the floor, interleaved in one run on one file system.

Prints a table and writes bench/results/latest.json. Nothing here gates: a figure that
misses its goal is explained in bench/README.md.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import field
from figures import Figure, p50, percentile, report
from floor import Floor
from subject import GIB, Subject

MILLI = 1e3
names = (f"bench-{number}" for number in itertools.count())


def backing(pool: Path, kind: str, handle: str) -> Path:
    """Give the file behind a handle, for the floor to work on the same bytes."""
    return pool / kind / handle.rsplit("-", 1)[1]


def clone_stage_publish(driver: Subject, snapshot: str) -> tuple[float, float]:
    """Give the seconds of clone + stage + publish, and of the CreateVolume within."""
    name = next(names)
    before = time.perf_counter()
    handle = driver.create(name, snapshot=snapshot)
    created = time.perf_counter()
    driver.stage(handle, name)
    driver.publish(handle, name)
    seconds = time.perf_counter() - before
    driver.take_down(handle, name)
    driver.delete(handle)
    return seconds, created - before


def first_mount(driver: Subject, pool: Path, floor: Floor, snapshot: str, rounds: int) -> Iterator[Figure]:
    """CreateVolume from snapshot + NodeStage + NodePublish beside the bare calls."""
    ours, bare, probes = [], [], []
    for _ in range(rounds):
        ours.append(clone_stage_publish(driver, snapshot)[0])
        bare.append(floor.clone_stage_publish(backing(pool, "snapshots", snapshot)))
        probes.append(driver.probe_seconds())
    allowed = p50(bare) * 1.5 + 3 * p50(probes)
    yield Figure("clone + stage + publish, p50", "ms", p50(ours) * MILLI, p50(bare) * MILLI, p50(ours) / p50(bare))
    yield Figure(
        "  … ÷ (1.5 × floor + 3 Probe round trips)", "ms", p50(ours) * MILLI, allowed * MILLI, p50(ours) / allowed, 1.0
    )
    yield Figure("Probe round trip, p50", "ms", p50(probes) * MILLI, None, None)


def snapshots(driver: Subject, pool: Path, floor: Floor, volume: str, rounds: int) -> Iterator[Figure]:
    """CreateSnapshot of a clean volume beside the bare reflink and flush; the round trip is taken off."""
    ours, bare, probes = [], [], []
    for _ in range(rounds):
        probes.append(driver.probe_seconds())
        before = time.perf_counter()
        handle = driver.snapshot(next(names), volume)
        ours.append(time.perf_counter() - before)
        driver.delete_snapshot(handle)
        bare.append(floor.clone(backing(pool, "volumes", volume)))
    served = p50(ours) - p50(probes)
    yield Figure(
        "CreateSnapshot of a clean volume, served, p50",
        "ms",
        served * MILLI,
        p50(bare) * MILLI,
        served / p50(bare),
        3.0,
    )


def windows(driver: Subject, pool: Path, floor: Floor, rounds: int) -> Iterator[Figure]:
    """The freeze window of eight mounted volumes under write load."""
    handles = [(name, driver.create(name)) for name in itertools.islice(names, 8)]
    staged = [driver.stage(handle, name) for name, handle in handles]
    for name, handle in handles:
        driver.publish(handle, name)
    ours, bare = [], []
    with field.Writers([folder / "load" for folder in staged]):
        for _ in range(rounds):
            ours.append(driver.group_window(next(names), [handle for _, handle in handles]))
            bare.append(
                floor.window([(s, backing(pool, "volumes", h)) for s, (_, h) in zip(staged, handles, strict=True)])
            )
    for name, handle in handles:
        driver.take_down(handle, name)
        driver.delete(handle)
    for share, word in ((0.5, "p50"), (0.99, "p99")):
        mine, theirs = percentile(ours, share), percentile(bare, share)
        yield Figure(
            f"freeze window, 8 mounted volumes under load, {word}",
            "ms",
            mine * MILLI,
            theirs * MILLI,
            mine / theirs,
            1.3,
        )


def rates(driver: Subject, pool: Path, floor: Floor, snapshot: str, number: int, rounds: int) -> Iterator[Figure]:
    """Durable clones a second from eight callers, and calls that do nothing: what gRPC itself leaves room for."""
    ours, bare, nothing = [], [], []
    with ThreadPoolExecutor(8) as callers:
        for _ in range(rounds):
            wanted = list(itertools.islice(names, number))
            before = time.perf_counter()
            made = list(callers.map(lambda name: driver.create(name, snapshot=snapshot), wanted))
            ours.append(number / (time.perf_counter() - before))
            list(callers.map(driver.delete, made))
            before = time.perf_counter()
            list(callers.map(lambda _: driver.probe_seconds(), wanted))
            nothing.append(number / (time.perf_counter() - before))
            bare.append(floor.clones_a_second(backing(pool, "snapshots", snapshot), number, 8))
    yield Figure(
        "durable clones a second, 8 callers", "1/s", p50(ours), p50(bare), p50(ours) / p50(bare), 0.7, at_least=True
    )
    yield Figure("  … ÷ Probes a second, 8 callers", "1/s", p50(ours), p50(nothing), p50(ours) / p50(nothing))


def aged(driver: Subject, pool: Path, floor: Floor, extents: int, rounds: int) -> Iterator[Figure]:
    """Clone + stage + publish and snapshot of a volume in many pieces."""
    volume = driver.create(next(names), size=4 * GIB)
    name = next(names)
    staging = driver.stage(volume, name)
    driver.publish(volume, name)
    with (staging / "aged").open("wb") as file:
        file.truncate(3 * GIB)
    field.age(staging / "aged", extents, 3 * GIB)
    driver.take_down(volume, name)
    snapshot = driver.snapshot(next(names), volume)
    for figure in first_mount(driver, pool, floor, snapshot, rounds):
        if figure.goal is None and figure.floor is not None:
            yield Figure(
                f"{figure.metric}, aged to {extents:,} extents", figure.unit, figure.ours, figure.floor, figure.ratio
            )
    driver.delete_snapshot(snapshot)
    driver.delete(volume)


def crowd(driver: Subject, snapshot: str, volumes: int, mounted: int, rounds: int) -> Iterator[Figure]:
    """The same call with few and with thousands of volumes, hundreds of them mounted."""
    few = [clone_stage_publish(driver, snapshot)[0] for _ in range(rounds)]
    with ThreadPoolExecutor(8) as callers:
        made = list(
            callers.map(lambda name: (name, driver.create(name, snapshot=snapshot)), itertools.islice(names, volumes))
        )
    for name, handle in made[:mounted]:
        driver.stage(handle, name)
        driver.publish(handle, name)
    many = [clone_stage_publish(driver, snapshot)[0] for _ in range(rounds)]
    yield Figure(
        f"p50 at {volumes:,} volumes, {mounted} mounted ÷ at 10",
        "ms",
        p50(many) * MILLI,
        p50(few) * MILLI,
        p50(many) / p50(few),
        1.2,
    )
    yield Figure(f"memory of the driver at {volumes:,} volumes", "MB", driver.resident_bytes() / 1e6, None, None, 80.0)
    for name, handle in made[:mounted]:
        driver.take_down(handle, name)


def start(pool: Path, folder: Path, volumes: int) -> Iterator[Figure]:
    """From the start of the program to a Probe answered, less what Python takes to start."""
    ours, bare = [], []
    for _ in range(5):
        driver = Subject(pool, folder, "--overcommit", "1000")
        ours.append(driver.seconds_to_ready)
        driver.stop()
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - before)
    yield Figure(
        f"start to ready at {volumes:,} volumes, beyond Python's own", "s", p50(ours) - p50(bare), p50(bare), None, 0.5
    )


def measure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Run everything; quick runs show that it works, not how fast it is."""
    rounds, volumes, mounted = (5, 100, 10) if quick else (100, 5000, 300)
    with field.xfs_field(folder, 40) as mount_point:
        pool, floor = mount_point / "pool", Floor(mount_point / "floor")
        pool.mkdir()
        driver = Subject(pool, folder / "run", "--overcommit", "1000")
        try:
            yield Figure("memory of the driver, idle", "MB", driver.resident_bytes() / 1e6, None, None, 64.0)
            volume = driver.create(next(names))
            snapshot = driver.snapshot(next(names), volume)
            yield from first_mount(driver, pool, floor, snapshot, rounds)
            yield from snapshots(driver, pool, floor, volume, rounds)
            yield from windows(driver, pool, floor, rounds)
            yield from rates(driver, pool, floor, snapshot, 10 * rounds // 2, 3)
            for extents in (1_000,) if quick else (10_000, 100_000):
                yield from aged(driver, pool, floor, extents, 3 if quick else 15)
            yield from crowd(driver, snapshot, volumes, mounted, rounds)
        finally:
            driver.stop()
        yield from start(pool, folder / "run", volumes)


def main() -> None:
    """Measure, print the table line by line, write the JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="few rounds: shows that it runs")
    quick = arguments.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="rokcsi-bench-") as folder:
        report(measure(Path(folder), quick=quick), field.facts(), "latest")


if __name__ == "__main__":
    main()
