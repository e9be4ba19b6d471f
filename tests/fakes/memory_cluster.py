"""A cluster in folders: claims are folders, a cut copies them, a clone copies the copy.

A pod's command names a Python callable (its first word, or the text after `/bin/sh -c`),
which is run in a thread with the folders of its volumes. Failures can be injected before
or after any call.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.cluster import (
    UNLABELLED,
    Claim,
    ClaimSnapshot,
    Cut,
    CutLabels,
    LabelledCut,
    LabelledSnapshot,
    NewClaim,
    NewPod,
    Pod,
    PodPhase,
)
from rokcsi.model.errors import RecordExists, RecordNotFound, SnapshotNotFound, StillInUse
from rokcsi.model.snapshot import Consistency
from rokcsi.model.volume import Labels
from rokcsi.volumes.labelling import with_said

STOPPED = -15


@dataclass(frozen=True, slots=True)
class Container:
    """What a program sees: its volumes by mount path, its environment, and whether it was told to stop."""

    paths: Mapping[str, Path]
    environment: Mapping[str, str]
    stopped: threading.Event
    log: Path

    def path(self, inside: str) -> Path:
        """Give the folder or file that this absolute path is, within the volume mounted above it."""
        for mount in sorted(self.paths, key=len, reverse=True):
            if inside == mount or inside.startswith(f"{mount}/"):
                return self.paths[mount] / inside[len(mount) :].lstrip("/")
        raise FileNotFoundError(inside)

    def say(self, text: str) -> None:
        """Print a line."""
        with self.log.open("a") as log:
            log.write(f"{text}\n")


Program = Callable[[Container], int]


@dataclass(frozen=True, slots=True)
class Failure:
    """Raise `error` at the call with this number (from 0), before its deed or after it."""

    call: int
    error: BaseException
    after: bool = False


@dataclass(slots=True)
class _Running:
    pod: Pod
    thread: threading.Thread | None
    stopped: threading.Event


@dataclass
class MemoryCluster:
    """Fits `rokcsi.model.cluster.Cluster`; `programs` are the commands that pods may run."""

    root: Path
    programs: dict[str, Program] = field(default_factory=dict)
    failure: Failure | None = None
    calls: list[str] = field(default_factory=list)
    label_bytes: int = 4096

    def __post_init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._cuts: dict[str, Cut] = {}
        self._labels: dict[str, CutLabels] = {}
        self._pods: dict[str, _Running] = {}
        self._lock = threading.RLock()
        for part in ("claims", "cuts", "logs"):
            (self.root / part).mkdir(parents=True, exist_ok=True)

    def create_claim(self, new: NewClaim) -> Claim:
        with self._called("create_claim"), self._lock:
            known = self._claims.get(new.name)
            if known is not None:
                if (known.size, known.from_snapshot) != (new.size, new.from_snapshot):
                    raise RecordExists(f"there is a claim {new.name!r} already")
                return known
            folder = self.folder(new.name)
            if new.from_snapshot is None:
                folder.mkdir()
            else:
                if not self._snapshot(new.from_snapshot).exists():
                    raise SnapshotNotFound(f"no snapshot {new.from_snapshot!r}")
                shutil.copytree(self._snapshot(new.from_snapshot), folder, symlinks=True)
            claim = Claim(
                new.name,
                f"v-{new.name}",
                new.size,
                new.filesystem,
                new.from_snapshot,
                dt.datetime.now(dt.UTC),
                new.labels,
                0.001,
            )
            self._claims[new.name] = claim
            return claim

    def claim(self, name: str) -> Claim:
        with self._called("claim"), self._lock:
            if name not in self._claims:
                raise RecordNotFound(f"there is no claim {name!r}")
            return self._claims[name]

    def claims(self) -> Sequence[Claim]:
        with self._called("claims"), self._lock:
            return [self._claims[name] for name in sorted(self._claims)]

    def delete_claim(self, name: str) -> None:
        with self._called("delete_claim"), self._lock:
            if any(self._mounts(running, name) for running in self._pods.values()):
                raise StillInUse(f"claim {name!r} is mounted")
            if self._claims.pop(name, None) is not None:
                shutil.rmtree(self.folder(name))

    def cut(self, name: str, claims: Sequence[str], labels: CutLabels = UNLABELLED) -> Cut:
        with self._called("cut"), self._lock:
            if name in self._cuts:
                return self._cuts[name]
            for claim in claims:
                if claim not in self._claims:
                    raise RecordNotFound(f"there is no claim {claim!r}")
            handle = f"g-{name}"
            for claim in claims:
                shutil.copytree(self.folder(claim), self._snapshot(f"{handle}/{claim}"), symlinks=True)
            snapshots = tuple(
                ClaimSnapshot(claim, f"{handle}/{claim}", self._claims[claim].size, Consistency.FROZEN)
                for claim in claims
            )
            self._cuts[name] = Cut(name, handle, dt.datetime.now(dt.UTC), snapshots, 0.0005)
            self._labels[handle] = labels
            return self._cuts[name]

    def labelled_cuts(self) -> Sequence[LabelledCut]:
        with self._called("labelled_cuts"), self._lock:
            return [self._labelled(cut) for cut in self._cuts.values()]

    def _labelled(self, cut: Cut) -> LabelledCut:
        labels = self._labels[cut.handle]
        return LabelledCut(
            cut.handle,
            cut.created_at,
            tuple(
                LabelledSnapshot(
                    member.snapshot,
                    self._claims[member.claim].volume if member.claim in self._claims else "",
                    member.size,
                    member.consistency,
                    cut.freeze_window_seconds,
                    self._kept({**labels.of_claims.get(member.claim, {}), **labels.of_all}),
                )
                for member in sorted(cut.snapshots, key=lambda member: member.claim)
            ),
        )

    def _kept(self, labels: Labels) -> Labels:
        return with_said({}, labels, self.label_bytes)

    def delete_cut(self, cut: str) -> None:
        with self._called("delete_cut"), self._lock:
            for name in [name for name, known in self._cuts.items() if known.handle == cut]:
                shutil.rmtree(self.root / "cuts" / cut)
                del self._cuts[name]

    def start_pod(self, new: NewPod) -> Pod:
        with self._called("start_pod"), self._lock:
            if new.name in self._pods:
                if self._pods[new.name].pod.spec != new:
                    raise RecordExists(f"there is a pod {new.name!r} already")
                return self._pods[new.name].pod
            for volume in new.volumes:
                if volume.claim not in self._claims:
                    raise RecordNotFound(f"there is no claim {volume.claim!r}")
            paths = {volume.name: self.folder(volume.claim) for volume in new.volumes}
            log = self.root / "logs" / new.name if new.command else None
            started = dt.datetime.now(dt.UTC)
            pod = Pod(new.name, uuid.uuid4().hex, new, PodPhase.RUNNING, paths, started_at=started, log=log)
            running = _Running(pod, None, threading.Event())
            self._pods[new.name] = running
            if log is not None:
                log.touch()
                running.thread = threading.Thread(target=self._run, args=(running, log), daemon=True)
                running.thread.start()
            return pod

    def wait_pod(self, name: str, timeout_seconds: float | None = None) -> Pod:
        with self._called("wait_pod"):
            running = self._running(name)
            if running.thread is not None:
                running.thread.join(30.0 if timeout_seconds is None else timeout_seconds)
            return running.pod

    def exec_pod(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        with self._called("exec_pod"):
            running = self._running(name)
            container = self._container(running.pod, running.stopped, self.root / "logs" / f"{name}-exec")
            return self.programs[command[0]](dataclasses.replace(container, environment=environment))

    def pod(self, name: str) -> Pod:
        with self._called("pod"):
            return self._running(name).pod

    def pods(self) -> Sequence[Pod]:
        with self._called("pods"), self._lock:
            return [self._pods[name].pod for name in sorted(self._pods)]

    def delete_pod(self, name: str) -> None:
        with self._called("delete_pod"):
            with self._lock:
                running = self._pods.get(name)
            if running is None:
                return
            running.stopped.set()
            if running.thread is not None:
                running.thread.join(30.0)
            with self._lock:
                self._pods.pop(name, None)
                if running.pod.log is not None:
                    running.pod.log.unlink(missing_ok=True)

    def folder(self, claim: str) -> Path:
        """Give the folder that a claim is."""
        return self.root / "claims" / claim

    def left(self) -> set[str]:
        """Give the names of all that stands: claims, cuts and pods."""
        with self._lock:
            return {*self._claims, *self._cuts, *self._pods}

    @contextmanager
    def _called(self, verb: str) -> Iterator[None]:
        with self._lock:
            number = len(self.calls)
            self.calls.append(verb)
            failure = self.failure if self.failure is not None and self.failure.call == number else None
        if failure is not None and not failure.after:
            raise failure.error
        yield
        if failure is not None:
            raise failure.error

    def _run(self, running: _Running, log: Path) -> None:
        command = running.pod.spec.command
        program = self.programs[command[2] if command[:2] == ("/bin/sh", "-c") else command[0]]
        container = self._container(running.pod, running.stopped, log)
        try:
            status = program(container)
        except Exception as error:  # noqa: BLE001 - a program may fail in any way, as a real one
            container.say(f"{type(error).__name__}: {error}")
            status = 1
        if running.stopped.is_set():
            status = STOPPED
        phase = PodPhase.FAILED if status else PodPhase.SUCCEEDED
        with self._lock:
            finished = dt.datetime.now(dt.UTC)
            running.pod = dataclasses.replace(running.pod, phase=phase, exit_status=status, finished_at=finished)

    def _container(self, pod: Pod, stopped: threading.Event, log: Path) -> Container:
        paths = {volume.mount_path: pod.paths[volume.name] for volume in pod.spec.volumes}
        return Container(paths, pod.spec.environment, stopped, log)

    def _running(self, name: str) -> _Running:
        with self._lock:
            if name not in self._pods:
                raise RecordNotFound(f"there is no pod {name!r}")
            return self._pods[name]

    def _snapshot(self, handle: str) -> Path:
        return self.root / "cuts" / handle

    @staticmethod
    def _mounts(running: _Running, claim: str) -> bool:
        over = running.pod.phase in {PodPhase.SUCCEEDED, PodPhase.FAILED}
        return not over and any(volume.claim == claim for volume in running.pod.spec.volumes)
