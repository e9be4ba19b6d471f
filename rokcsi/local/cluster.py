"""`LocalCluster`: Kubernetes' part played on one machine, over the driver's own socket.

Composed by `wiring/`, spoken to by `pipeline/` through `model.cluster.Cluster`. Several
programs may use one home folder at once; after a crash anywhere a repetition goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rokcsi.local.claims import Claims
from rokcsi.local.csi_client import CsiClient
from rokcsi.local.cuts import Cuts
from rokcsi.local.kubelet import Kubelet, MountPoints, mount_points
from rokcsi.local.leftovers import Leftovers
from rokcsi.local.pod_commands import PodCommands
from rokcsi.local.pod_records import PodState, pod_content, pod_record
from rokcsi.local.pods import Pods
from rokcsi.local.records import Shelf
from rokcsi.model.cluster import UNLABELLED, Claim, Cut, CutLabels, LabelledCut, NewClaim, NewPod, Pod
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.pool import Leftover
from rokcsi.system.sandbox.launch import HostSandbox, Sandbox


class LocalCluster:
    """A `Cluster` whose records and mounts lie in `home`.

    `hidden` are folders that pods do not see (always `home` itself); `sandbox` and
    `mounts_seen` are what the host offers, and other things in unit tests.
    """

    def __init__(
        self,
        home: Path,
        client: CsiClient,
        namespace: str = "default",
        *,
        hidden: Sequence[Path] = (),
        sandbox: Sandbox | None = None,
        mounts_seen: MountPoints = mount_points,
    ) -> None:
        home = _made(home)
        self._client = client
        shelf = Shelf(home / "records" / "pods", pod_record, pod_content)

        def users_of(claim: str) -> list[str]:
            users = (record for record in shelf.all() if record.state is not PodState.ENDED)
            return [user.spec.name for user in users if any(volume.claim == claim for volume in user.spec.volumes)]

        kubelet = Kubelet(home, namespace, client, shelf, mounts_seen)
        commands = PodCommands(home, sandbox or HostSandbox(), kubelet.quiet_lock, (home, *hidden))
        self._claims = Claims(home / "records" / "claims", client, namespace, users_of)
        self._cuts = Cuts(home / "records" / "cuts", client, namespace, self._claims)
        self._pods = Pods(shelf, self._claims, kubelet, commands)
        self._leftovers = Leftovers(home, shelf, self._pods, self._claims, self._cuts, kubelet)

    def close(self) -> None:
        """Hang up; pods and mounts stay as they are."""
        self._client.close()

    def create_claim(self, new: NewClaim) -> Claim:
        """Provision a volume; raise RecordExists, PoolFull, SizeOutOfRange, SnapshotNotFound."""
        return self._claims.create(new)

    def claim(self, name: str) -> Claim:
        """Give one claim."""
        return self._claims.record(name).claim()

    def claims(self) -> Sequence[Claim]:
        """Give all claims, ordered by name."""
        return self._claims.bound()

    def delete_claim(self, name: str) -> None:
        """Remove a claim and its volume, also one whose creation was cut short; raise StillInUse while a pod mounts it."""
        self._claims.delete(name)

    def cut(self, name: str, claims: Sequence[str], labels: CutLabels = UNLABELLED) -> Cut:
        """Snapshot these claims at one instant, all or none; the same name gives the same cut, with its first labels."""
        return self._cuts.take(name, claims, labels)

    def labelled_cuts(self) -> Sequence[LabelledCut]:
        """Give all cuts that there are, the oldest first, read from the driver's pool."""
        return self._cuts.labelled()

    def delete_cut(self, cut: str) -> None:
        """Remove a cut, by its handle, and all its snapshots."""
        self._cuts.delete(cut)

    def start_pod(self, new: NewPod) -> Pod:
        """Mount the pod's volumes, then start its command where it has one."""
        return self._pods.start(new)

    def wait_pod(self, name: str, timeout_seconds: float | None = None) -> Pod:
        """Wait for the command's end, then take the mounts away; give the pod as it is when the time is over.

        Ctrl-C while waiting ends a pod that this program has started.
        """
        return self._pods.wait(name, timeout_seconds)

    def exec_pod(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a command where the pod's volumes are mounted, on the caller's terminal; give its exit status."""
        return self._pods.execute(name, command, environment)

    def pod(self, name: str) -> Pod:
        """Give one pod; a pod without a command has its volumes mounted again where a reboot took them away."""
        return self._pods.pod(name)

    def pods(self) -> Sequence[Pod]:
        """Give all pods, ordered by name."""
        return self._pods.pods()

    def delete_pod(self, name: str) -> None:
        """End the pod's command, take its mounts away, forget it, and what it printed."""
        self._pods.delete(name)

    def leftovers(self) -> Sequence[Leftover]:
        """Give what a crash has left in the home folder; changes nothing."""
        return self._leftovers.found()

    def clear(self, leftover: Leftover) -> None:
        """Remove one of them, after making sure once more that nobody owns it."""
        self._leftovers.clear(leftover)


def _made(home: Path) -> Path:
    """Make the home folder, for its owner only; give its path without symbolic links."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("records", "locks", "pods", "plugins", "logs"):
            (home / part).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"the folder {home} cannot hold the local cluster: {error.strerror}") from error
    return home.resolve()
