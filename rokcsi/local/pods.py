"""Pods: their life from the record that announces them to the removal of the last mount.

The order is the safety: the record first, then the mounts, then the process, which waits
until its pid is on record; backwards the other way round. A mark made by the process
itself tells whether its command was ever started, so no step runs twice.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from rokcsi.local.claim_records import ClaimRecord
from rokcsi.local.claims import Claims
from rokcsi.local.kubelet import Kubelet
from rokcsi.local.names import check_environment, check_name, check_pod
from rokcsi.local.pod_commands import PodCommands
from rokcsi.local.pod_records import End, PodPlaces, PodRecord, PodState
from rokcsi.local.records import Shelf
from rokcsi.model.cluster import NewPod, Pod, PodPhase
from rokcsi.model.errors import InvalidRequest, RecordExists, RecordNotFound, RokcsiError, StillInUse
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.processes import ProcessIdentity, is_alive, wait_ended

declare("local.pod.intended", "local.pod.mounted", "local.pod.remembered", "local.pod.begun", "local.pod.ended")
declare("local.pod.deleting", "local.pod.stopped", "local.pod.settled")

_KILLED = -9


class Pods:
    """The pods of one home folder."""

    def __init__(self, shelf: Shelf[PodRecord], claims: Claims, kubelet: Kubelet, commands: PodCommands) -> None:
        self._shelf, self._claims, self._kubelet, self._commands = shelf, claims, kubelet, commands
        self._started_here: set[str] = set()

    def start(self, new: NewPod) -> Pod:
        """Bring a pod up, or give the one that is up; raise RecordExists, RecordNotFound for a claim, what the driver says."""
        check_pod(new)
        new = replace(new, environment=dict(new.environment), labels=dict(new.labels))
        with self._shelf.lock(new.name):
            record = self._shelf.read(new.name)
            if record is not None and record.state is PodState.DELETING:
                self._remove(record)
                record = None
            if record is None:
                record = self._intended(new)
            elif record.spec != new:
                raise RecordExists(f"pod {new.name!r} exists with other volumes or another command; delete it first")
            return self._view(self._up(record))

    def _intended(self, new: NewPod) -> PodRecord:
        """Write the pod down while its claims are held, so that none is deleted meanwhile."""
        with self._claims_held(new) as claims:
            handles = {volume.name: claims[volume.claim].volume for volume in new.volumes}
            record = PodRecord(new, str(uuid.uuid4()), PodState.STARTING, handles)
            self._shelf.write(new.name, record)
        failpoint("local.pod.intended")
        return record

    @contextmanager
    def _claims_held(self, new: NewPod) -> Iterator[Mapping[str, ClaimRecord]]:
        names = sorted({volume.claim for volume in new.volumes})
        with ExitStack() as locks:
            for name in names:
                locks.enter_context(self._claims.shelf.lock(name))
            yield {name: self._claims.record(name) for name in names}

    def _up(self, record: PodRecord) -> PodRecord:
        if record.state is PodState.ENDED:
            return record
        if record.state is PodState.RUNNING:
            return self._mounted(record)
        try:
            if not (record.spec.command and self._commands.was_begun(record)):
                record = self._begun(record)
            failpoint("local.pod.begun")
            record = replace(record, state=PodState.RUNNING, started_at=dt.datetime.now(dt.UTC))
            self._shelf.write(record.spec.name, record)
        except BaseException as error:
            self._undo(record, error)
            raise
        return record

    def _begun(self, record: PodRecord) -> PodRecord:
        self._mount(record)
        failpoint("local.pod.mounted")
        if not record.spec.command:
            return record

        def remember(process: ProcessIdentity) -> None:
            self._shelf.write(record.spec.name, replace(record, process=process))
            failpoint("local.pod.remembered")

        self._started_here.add(record.uid)
        return replace(record, process=self._commands.start(record, remember))

    def _mount(self, record: PodRecord) -> None:
        claims = {volume.claim: self._claims.record(volume.claim) for volume in record.spec.volumes}
        self._kubelet.mount(record, claims)

    def _mounted(self, record: PodRecord) -> PodRecord:
        """Make sure that a pod without a command still has its mounts; a reboot takes them away."""
        if not record.spec.command and not self._kubelet.is_mounted(record):
            self._mount(record)
        return record

    def _undo(self, record: PodRecord, error: BaseException) -> None:
        """Take back a start that failed; where even that fails the record stays, and deleting the pod goes on with it."""
        try:
            written = self._shelf.read(record.spec.name) or record
            self._shelf.write(record.spec.name, replace(written, state=PodState.DELETING))
            self._remove(written, grace_seconds=1.0)
        except RokcsiError as second:
            error.add_note(
                f"what was begun could not all be undone ({second}); delete the pod {record.spec.name!r} later"
            )

    def wait(self, name: str, timeout_seconds: float | None = None) -> Pod:
        """Wait for the end of a pod's command, then take its mounts away; give the pod as it is when the time is over."""
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        record = self._started(name)
        if record.state is PodState.RUNNING and record.process is not None and self._waited(record, until):
            record = self._settled(record)
        return self._view(record)

    def _started(self, name: str) -> PodRecord:
        """Give a pod's record once nobody is at work on its start any more."""
        record = self._record(name)
        if record.state is PodState.STARTING:
            with self._shelf.lock(name):
                record = self._record(name)
        return record

    def _waited(self, record: PodRecord, until: float | None) -> bool:
        assert record.process is not None  # noqa: S101 - the caller has looked
        try:
            return wait_ended(record.process, None if until is None else max(0.0, until - time.monotonic()))
        except KeyboardInterrupt:
            if record.uid in self._started_here:
                self._commands.end(record, grace_seconds=5.0)
                self._settled(record)
            raise

    def _settled(self, record: PodRecord) -> PodRecord:
        """Take away the mounts of a pod whose command has ended, and write down how."""
        with self._shelf.lock(record.spec.name):
            record = self._record(record.spec.name)
            if record.state is not PodState.RUNNING or record.process is None:
                return record
            self._commands.sandbox.reap(record.process)
            failpoint("local.pod.ended")
            self._kubelet.unmount(record)
            failpoint("local.pod.settled")
            end = self._end_of(record)
            record = replace(record, state=PodState.ENDED, exit_status=end.status, finished_at=end.at)
            self._shelf.write(record.spec.name, record)
            return record

    def _end_of(self, record: PodRecord) -> End:
        """How the command ended; one whose supervisor could not say so was killed, by a reboot say."""
        return PodPlaces(self._kubelet.home, record.uid).end() or End(_KILLED, dt.datetime.now(dt.UTC))

    def execute(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command in a pod that is up, on the caller's terminal; give its status; raise StillInUse when the pod has ended."""
        if not command:
            raise InvalidRequest(f"say which command is to be run in the pod {name!r}")
        check_environment(name, list(environment))
        with self._shelf.lock(name):
            record = self._record(name)
            if record.state is not PodState.RUNNING:
                raise StillInUse(f"the pod {name!r} is not up; nothing can be run in it")
            self._mounted(record)

        def remember(_process: ProcessIdentity) -> None:
            with self._shelf.lock(name):
                self._record(name)  # a pod that is being deleted gets no new process

        return self._commands.run(record, command, environment, remember)

    def pod(self, name: str) -> Pod:
        """Give one pod, its mounts re-established where a reboot has taken them."""
        record = self._record(name)
        if record.state is PodState.RUNNING and not record.spec.command and not self._kubelet.is_mounted(record):
            with self._shelf.lock(name):
                self._mounted(self._record(name))
        return self._view(record)

    def pods(self) -> list[Pod]:
        """Give all pods, ordered by name, as their records say."""
        return [self._view(record) for record in self._shelf.all() if record.state is not PodState.DELETING]

    def delete(self, name: str, grace_seconds: float = 10.0) -> None:
        """End a pod's command, take its mounts away, forget it; nothing happens when it is gone."""
        check_name("pod", name)
        with self._shelf.lock(name):
            record = self._shelf.read(name)
            if record is None:
                return
            if record.state is not PodState.ENDED:
                self._shelf.write(name, replace(record, state=PodState.DELETING))
            failpoint("local.pod.deleting")
            self._remove(record, grace_seconds)

    def _remove(self, record: PodRecord, grace_seconds: float = 10.0) -> None:
        if record.state is not PodState.ENDED:
            self._commands.end(record, grace_seconds)
            failpoint("local.pod.stopped")
            self._kubelet.unmount(record)
        clear_folder(PodPlaces(self._kubelet.home, record.uid))
        self._shelf.remove(record.spec.name)

    def _record(self, name: str) -> PodRecord:
        check_name("pod", name)
        record = self._shelf.read(name)
        if record is None or record.state is PodState.DELETING:
            raise RecordNotFound(f"there is no pod {name!r}")
        return record

    def _view(self, record: PodRecord) -> Pod:
        places, spec = PodPlaces(self._kubelet.home, record.uid), record.spec
        phase, end = PodPhase.RUNNING, None
        if record.state is PodState.STARTING:
            phase = PodPhase.PENDING
        elif record.state is PodState.ENDED and record.exit_status is not None and record.finished_at is not None:
            end = End(record.exit_status, record.finished_at)
        elif record.process is not None and not is_alive(record.process):
            end = self._end_of(record)
        if end is not None:
            phase = PodPhase.SUCCEEDED if end.status == 0 else PodPhase.FAILED
        ended = record.state is PodState.ENDED
        return Pod(
            name=spec.name,
            uid=record.uid,
            spec=spec,
            phase=phase,
            paths={} if ended else {volume.name: places.volume(volume.name) for volume in spec.volumes},
            exit_status=None if end is None else end.status,
            started_at=record.started_at,
            finished_at=None if end is None else end.at,
            log=places.log if places.log.exists() else None,
        )


def clear_folder(places: PodPlaces) -> None:
    """Remove a pod's small files and empty folders, one by one: where a mount is left, this fails and harms nothing."""
    for path in (places.begun, places.ended, places.ended.with_name("ended.new"), places.log, *places.executions()):
        path.unlink(missing_ok=True)
    for folder in (places.root, places.folder / "volumes", places.folder):
        with suppress(FileNotFoundError):
            folder.rmdir()
