"""What a crash has left in the local cluster's home folder, for `rokcsi doctor`.

Everything is undone the way it would have been: through the driver, and by removing empty
folders one by one. Nothing here removes recursively.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rokcsi.local.claim_records import ClaimState
from rokcsi.local.claims import Claims
from rokcsi.local.cuts import Cuts
from rokcsi.local.kubelet import Kubelet, noted_handle
from rokcsi.local.pod_commands import end_strays
from rokcsi.local.pod_records import PodPlaces, PodRecord, PodState
from rokcsi.local.pods import Pods, clear_folder
from rokcsi.local.records import Shelf
from rokcsi.model.pool import Leftover
from rokcsi.system.processes import is_alive

_CLAIM, _CUT, _POD, _ENDED = "unfinished claim", "unfinished cut", "unfinished pod", "ended pod"
_FOLDER, _STAGED, _LOG = "lost pod's folder", "staged volume", "lost pod's log"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Looks through the records and folders of one home."""

    home: Path
    records: Shelf[PodRecord]
    pods: Pods
    claims: Claims
    cuts: Cuts
    kubelet: Kubelet

    def found(self) -> list[Leftover]:
        """Give what nobody owns; what another program is at work on right now is not among it."""
        return [*self._claims(), *self._cuts(), *self._pods(), *self._folders(), *self._staged(), *self._logs()]

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, if it still is one."""
        if leftover not in self.found():
            return
        name = leftover.where.name
        deeds: dict[str, Callable[[], object]] = {
            _CLAIM: lambda: self.claims.delete(name),
            _CUT: lambda: self.cuts.forget(name),
            _POD: lambda: self.pods.delete(name),
            _ENDED: lambda: self.pods.wait(name, 0.0),
            _FOLDER: lambda: self._clear_folder(PodPlaces(self.home, name)),
            _STAGED: lambda: self._unstage(leftover.where),
            _LOG: lambda: leftover.where.unlink(missing_ok=True),
        }
        deeds[leftover.kind]()

    def _claims(self) -> Iterator[Leftover]:
        shelf = self.claims.shelf
        for record in shelf.all():
            name = record.spec.name
            if record.state is not ClaimState.BOUND and shelf.is_quiet(name):
                yield Leftover(_CLAIM, shelf.path(name), f"the claim {name} was left {record.state.lower()}")

    def _cuts(self) -> Iterator[Leftover]:
        shelf = self.cuts.shelf
        for record in shelf.all():
            if (record.cut is None or record.removing) and shelf.is_quiet(record.name):
                deed = "removal" if record.removing else "taking"
                yield Leftover(_CUT, shelf.path(record.name), f"the {deed} of the cut {record.name} was interrupted")

    def _pods(self) -> Iterator[Leftover]:
        for record in self.records.all():
            name, path = record.spec.name, self.records.path(record.spec.name)
            if not self.records.is_quiet(name):
                continue
            if record.state in {PodState.STARTING, PodState.DELETING}:
                yield Leftover(_POD, path, f"the pod {name} was left {record.state.lower()}")
            elif record.state is PodState.RUNNING and record.process is not None and not is_alive(record.process):
                yield Leftover(
                    _ENDED, path, f"the command of the pod {name} has ended, and its volumes are still mounted"
                )

    def _uids(self) -> set[str]:
        return {record.uid for record in self.records.all()}

    def _folders(self) -> Iterator[Leftover]:
        # The folders are listed before the records: a pod is on record before it has a folder.
        for folder in sorted((self.home / "pods").iterdir()):
            if folder.name not in self._uids():
                yield Leftover(_FOLDER, folder, "no pod has this uid")

    def _logs(self) -> Iterator[Leftover]:
        for log in sorted((self.home / "logs").iterdir()):
            if log.stem not in self._uids():
                yield Leftover(_LOG, log, "no pod has this uid")

    def _staged(self) -> Iterator[Leftover]:
        for note in sorted((self.home / "plugins").glob("*/*/volume.json")):
            handle = noted_handle(note)
            if handle is not None and not self._in_use(handle):
                yield Leftover(_STAGED, note.parent, f"no pod uses the volume {handle}")

    def _in_use(self, handle: str) -> bool:
        return any(r.state is not PodState.ENDED and handle in r.handles.values() for r in self.records.all())

    def _clear_folder(self, places: PodPlaces) -> None:
        end_strays(places)
        for note in sorted(places.folder.glob("volumes/*/volume.json")):
            handle = noted_handle(note)
            if handle is not None:
                self.kubelet.take_away(handle, note.with_name("mount"))
        clear_folder(places)

    def _unstage(self, folder: Path) -> None:
        handle = noted_handle(folder / "globalmount")
        if handle is not None and not self._in_use(handle):
            self.kubelet.unstage(handle)
