"""The settings as the rest of the house sees them: frozen, complete, standard library only.

`reading` makes them; `wiring/` consumes them; JSON carries them into the driver's lean
process. What each one means, its default and its limits stand in `reading.Declared`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

EFFECTIVE = "ROKCSI_EFFECTIVE"  # the environment variable that carries ServeSettings as JSON


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What `rokcsi serve all` needs; sizes in bytes, paths absolute, `metrics` and `image_size` None where not set."""

    endpoint: str
    pool: str
    node_id: str
    driver_name: str
    topology_key: str
    metrics: str | None
    target_roots: tuple[str, ...]
    overcommit: float
    data_limit: float
    metadata_limit: float
    image_size: int | None
    max_workers: int
    records: str
    trim: bool
    log_level: str
    log_format: str

    @property
    def socket(self) -> Path:
        """Give the path of the unix socket that the endpoint names."""
        return Path("/" + self.endpoint.removeprefix("unix:").lstrip("/"))

    def to_json(self) -> str:
        """Give the settings as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ServeSettings:
        """Read what `to_json` gave; raise TypeError or ValueError for anything else."""
        fields = json.loads(text)
        return cls(**{**fields, "target_roots": tuple(fields["target_roots"])})


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How the roles of a cluster find and trust each other; None where not set. `roles` says who needs what."""

    listen: str | None
    tls_certificate: str | None
    tls_key: str | None
    tls_authorities: str | None
    controller_identity: str
    node_identity: str
    nodes: str | None
    plugins_registry: str | None
    admission: str | None
    admission_certificate: str | None
    admission_key: str | None


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Where the API server asks for the nodes of clones that are being made; paths of PEM files."""

    listen: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """How checkpoints at the mount are taken and kept, and where people ask for them.

    `timeline` is None where none are taken, `people` where nobody is answered, `checkpoint_bytes` without a cap.
    """

    timeline: str | None
    checkpoint_deadline: float
    checkpoint_failure_policy: str
    catalogs: str
    checkpoint_runs: int
    checkpoint_bytes: int | None
    checkpoint_limit: float
    people: str | None


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Where a machine's local set-up lives: everything `rokctl` and the SDK touch is below `home`."""

    home: Path
    pool: str
    driver_name: str
    author: str
    log_level: str

    @property
    def catalog(self) -> Path:
        """Give the file of the catalogue."""
        return self.home / "catalog.sqlite"

    @property
    def cluster_folder(self) -> Path:
        """Give the folder where the cluster of this machine keeps its claims and pods."""
        return self.home / "cluster"

    @property
    def socket(self) -> Path:
        """Give the socket on which the driver of this home serves."""
        return self.home / "run" / "csi.sock"
