"""A local cluster over the fake CSI driver, in a folder whose path is short enough for a socket."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_calls import Patience
from rokcsi.local.csi_client import CsiClient
from rokcsi.model.cluster import NewClaim, NewPod, PodVolume
from rokcsi.model.sizes import Bytes
from rokcsi.system.processes import ProcessIdentity
from rokcsi.system.sandbox.launch import Remember
from rokcsi.system.sandbox.plan import SandboxPlan
from tests.fakes.csi_server import BindingHost, FakeDriver, NoHost, serving

GONE = ProcessIdentity(pid=1, start_ticks=-1, boot="never")
IMPATIENT = Patience(try_seconds=20.0, busy_seconds=1.0, away_seconds=0.3)


@dataclass
class InstantSandbox:
    """Runs nothing: every command has ended at once, with `status`; what was asked is in `plans`."""

    status: int = 0
    error: Exception | None = None
    plans: list[SandboxPlan] = field(default_factory=list)

    def start(self, plan: SandboxPlan, log: Path, remember: Remember) -> ProcessIdentity:
        remember(GONE)
        if self.error is not None:
            raise self.error
        assert plan.begun_mark is not None
        assert plan.exit_record is not None
        Path(plan.begun_mark).touch()
        log.write_text("done\n")
        Path(plan.exit_record).write_text(json.dumps({"status": self.status}))
        self.plans.append(plan)
        return GONE

    def run(self, plan: SandboxPlan, remember: Remember) -> int:
        remember(GONE)
        self.plans.append(plan)
        return self.status

    def reap(self, process: ProcessIdentity) -> None:
        assert process == GONE


@dataclass
class LocalWorld:
    """A driver, and a cluster that speaks to it."""

    folder: Path
    driver: FakeDriver
    sandbox: InstantSandbox | None

    @property
    def home(self) -> Path:
        return self.folder / "cluster"

    @property
    def socket(self) -> Path:
        return self.folder / "csi.sock"

    def cluster(self) -> LocalCluster:
        """Give a cluster as a program that is started now would see it."""
        client = CsiClient(self.socket, patience=IMPATIENT)
        if self.sandbox is None:
            return LocalCluster(self.home, client)
        return LocalCluster(self.home, client, sandbox=self.sandbox, mounts_seen=self.driver.mounts_seen)

    def paths_left(self) -> list[str]:
        """Give all that lies in the cluster's home besides its fixed folders and the one lock that stays."""
        found = (path.relative_to(self.home) for path in self.home.rglob("*") if not path.is_dir())
        folders = [path for part in ("pods", "plugins") for path in (self.home / part).glob("*/*")]
        return [*(str(path) for path in found if path.name != "new-namespace"), *(str(path) for path in folders)]


@contextmanager
def local_world(*, real: bool) -> Iterator[LocalWorld]:
    """Make one; `real` with mounts and sandboxes of this host."""
    folder = Path(tempfile.mkdtemp(prefix="rokcsi-", dir="/var/tmp"))
    volumes = folder / "volumes"
    volumes.mkdir()
    driver = FakeDriver(volumes, BindingHost() if real else NoHost())
    world = LocalWorld(folder, driver, None if real else InstantSandbox())
    try:
        with serving(driver, world.socket):
            yield world
    finally:
        # The driver's mounts are gone; where one is left this removes nothing below it.
        if not any(Path(point).is_mount() for point in driver.host.points):
            shutil.rmtree(folder)


def claim(name: str = "work", size: int = 1 << 30, **more: str) -> NewClaim:
    return NewClaim(name, Bytes(size), **more)  # type: ignore[arg-type]  # only texts are passed on


def pod(name: str, *command: str, claims: tuple[str, ...] = ("work",), readonly: bool = False) -> NewPod:
    volumes = tuple(PodVolume(name, name, f"/home/jovyan/{name}", readonly) for name in claims)
    return NewPod(name, volumes, command, {"STEP": name}, "/home/jovyan/" + claims[0])
