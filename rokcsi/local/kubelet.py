"""What kubelet does for a pod's volumes: stage once for all pods, publish for each, and undo both.

Beside each mount lies `volume.json`, as kubelet's vol_data.json does, so that a mount whose
pod's record is lost can still be taken away through the driver.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rokcsi.local.claim_records import ClaimRecord
from rokcsi.local.csi_client import CsiClient, StagedVolume
from rokcsi.local.pod_records import PodPlaces, PodRecord, PodState, staging_folder
from rokcsi.local.records import Shelf
from rokcsi.model.cluster import PodVolume
from rokcsi.model.errors import StillInUse, Unavailable
from rokcsi.system.failpoints import declare, failpoint
from rokcsi.system.file_locks import locked_file
from rokcsi.system.mounts import read_mountinfo

declare("local.pod.staged", "local.pod.published", "local.pod.unpublished", "local.pod.unstaged")

MountPoints = Callable[[], frozenset[Path]]
_POD_INFO = "csi.storage.k8s.io"
_RELEASE_SECONDS = 10.0


def mount_points() -> frozenset[Path]:
    """Give all paths at which something is mounted, as this process sees it."""
    return frozenset(entry.point for entry in read_mountinfo())


@dataclass(frozen=True, slots=True)
class Kubelet:
    """Mounts the volumes of pods below `home`, which has no symbolic links in it."""

    home: Path
    namespace: str
    client: CsiClient
    pods: Shelf[PodRecord]
    mount_points: MountPoints = mount_points

    @property
    def quiet_lock(self) -> Path:
        """Locked, shared, by a sandbox that still holds copies of all mounts: a volume is not unstaged meanwhile."""
        return self.home / "locks" / "new-namespace"

    def mount(self, record: PodRecord, claims: Mapping[str, ClaimRecord]) -> None:
        """Stage and publish all volumes of a pod; raise what the driver says, Unavailable where its mounts do not show."""
        for volume in record.spec.volumes:
            self._mount(record, volume, claims[volume.claim])
        if not self.is_mounted(record):
            raise Unavailable(
                f"the driver has published the volumes of {record.spec.name!r}, but no mount shows below {self.home}; "
                "it runs in another mount namespace: start it on this machine, outside of a container"
            )

    def _mount(self, record: PodRecord, volume: PodVolume, claim: ClaimRecord) -> None:
        staged = StagedVolume(
            claim.volume, claim.spec.filesystem, staging_folder(self.home, claim.volume), claim.context
        )
        target = PodPlaces(self.home, record.uid).volume(volume.name)
        with self._volume_lock(staged.handle):
            staged.staging.mkdir(mode=0o700, parents=True, exist_ok=True)
            _note(staged.staging, staged.handle)
            self.client.stage(staged)
            failpoint("local.pod.staged")
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _note(target, staged.handle)
            self.client.publish(staged, target, readonly=volume.readonly, pod=self._pod_info(record))
            failpoint("local.pod.published")

    def _pod_info(self, record: PodRecord) -> dict[str, str]:
        return {
            f"{_POD_INFO}/pod.name": record.spec.name,
            f"{_POD_INFO}/pod.namespace": self.namespace,
            f"{_POD_INFO}/pod.uid": record.uid,
            f"{_POD_INFO}/ephemeral": "false",
        }

    def is_mounted(self, record: PodRecord) -> bool:
        """Tell whether all volumes of a pod are mounted: after a reboot they are not."""
        places = PodPlaces(self.home, record.uid)
        return {places.volume(volume.name) for volume in record.spec.volumes} <= self.mount_points()

    def unmount(self, record: PodRecord) -> None:
        """Unpublish all volumes of a pod, and unstage those that no other pod uses."""
        places = PodPlaces(self.home, record.uid)
        for name, handle in record.handles.items():
            with self._volume_lock(handle):
                self.take_away(handle, places.volume(name))
        for handle in sorted(set(record.handles.values())):
            with self._volume_lock(handle):
                if not self._has_other_users(handle, record):
                    self.unstage(handle)

    def take_away(self, handle: str, target: Path) -> None:
        """Unpublish one volume from one path, and remove the empty folders."""
        self.client.unpublish(handle, target)
        failpoint("local.pod.unpublished")
        _forget(target)

    def unstage(self, handle: str) -> None:
        """Unstage a volume, waiting a little for ended pods: the kernel takes their namespaces apart behind their end."""
        staging = staging_folder(self.home, handle)
        until = time.monotonic() + _RELEASE_SECONDS
        pause = 0.01
        while True:
            try:
                with locked_file(self.quiet_lock):
                    self.client.unstage(handle, staging)
                break
            except StillInUse:
                if time.monotonic() > until:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 0.5)
        failpoint("local.pod.unstaged")
        _forget(staging)

    def _has_other_users(self, handle: str, record: PodRecord) -> bool:
        return any(
            other.uid != record.uid and other.state is not PodState.ENDED and handle in other.handles.values()
            for other in self.pods.all()
        )

    @contextmanager
    def _volume_lock(self, handle: str) -> Iterator[None]:
        path = self.home / "locks" / staging_folder(self.home, handle).parent.name
        with locked_file(path):
            try:
                yield
            finally:
                if not staging_folder(self.home, handle).exists():
                    path.unlink(missing_ok=True)


def _note(mount: Path, handle: str) -> None:
    note = mount.with_name("volume.json")
    new = mount.with_name("volume.new")
    new.write_text(json.dumps({"volume": handle}), encoding="utf-8")
    new.replace(note)


def noted_handle(mount: Path) -> str | None:
    """Give the volume that was to be mounted at a path; None where nothing says so."""
    try:
        return str(json.loads(mount.with_name("volume.json").read_text(encoding="utf-8"))["volume"])
    except FileNotFoundError:
        return None


def _forget(mount: Path) -> None:
    """Remove the empty folder of a mount, and what was noted beside it; a mount that is still there makes it fail."""
    with suppress(FileNotFoundError):
        mount.rmdir()
    for name in ("volume.new", "volume.json"):
        mount.with_name(name).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        mount.parent.rmdir()
