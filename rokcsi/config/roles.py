"""What each role in a cluster needs to be told, complete or refused: made from the settings, carried as JSON.

Standard library only, since the lean processes read it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rokcsi.config.settings import AdmissionSettings, CheckpointSettings, NetworkSettings, ServeSettings
from rokcsi.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files: our certificate with its chain, its key, the authorities that both sides trust."""

    certificate: str
    key: str
    authorities: str

    @classmethod
    def of(cls, network: NetworkSettings) -> TlsFiles:
        """Take the files from the settings; raise InvalidRequest where one is not set."""
        return cls(
            _set("tls_certificate", network.tls_certificate),
            _set("tls_key", network.tls_key),
            _set("tls_authorities", network.tls_authorities),
        )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What `rokcsi serve node` needs: a driver's settings, and how the switchboard and kubelet reach it."""

    driver: ServeSettings
    listen: str
    tls: TlsFiles
    controller_identity: str
    plugins_registry: str | None
    checkpoints: CheckpointSettings

    @classmethod
    def of(cls, driver: ServeSettings, network: NetworkSettings, checkpoints: CheckpointSettings) -> NodeSettings:
        """Put a node's settings together; raise InvalidRequest where one is not set."""
        return cls(
            driver,
            _set("listen", network.listen),
            TlsFiles.of(network),
            network.controller_identity,
            network.plugins_registry,
            checkpoints,
        )

    @property
    def log_level(self) -> str:
        """Give debug, info, warning or error."""
        return self.driver.log_level

    @property
    def log_format(self) -> str:
        """Give text or json."""
        return self.driver.log_format

    def to_json(self) -> str:
        """Give the settings as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> NodeSettings:
        """Read what `to_json` gave; raise KeyError, TypeError or ValueError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        driver = ServeSettings.from_json(json.dumps(fields.pop("driver")))
        return cls(driver=driver, **_parts(fields), **fields)


@dataclass(frozen=True, slots=True)
class SwitchboardSettings:
    """What `rokcsi serve controller` needs: where it serves, where the nodes are, and how it shows who it is."""

    endpoint: str
    driver_name: str
    metrics: str | None
    max_workers: int
    log_level: str
    log_format: str
    nodes: str
    node_identity: str
    controller_identity: str
    tls: TlsFiles
    checkpoints: CheckpointSettings

    @classmethod
    def of(
        cls, driver: ServeSettings, network: NetworkSettings, checkpoints: CheckpointSettings
    ) -> SwitchboardSettings:
        """Put the switchboard's settings together; raise InvalidRequest where one is not set."""
        return cls(
            endpoint=driver.endpoint,
            driver_name=driver.driver_name,
            metrics=driver.metrics,
            max_workers=driver.max_workers,
            log_level=driver.log_level,
            log_format=driver.log_format,
            nodes=_set("nodes", network.nodes),
            node_identity=network.node_identity,
            controller_identity=network.controller_identity,
            tls=TlsFiles.of(network),
            checkpoints=checkpoints,
        )

    def to_json(self) -> str:
        """Give the settings as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SwitchboardSettings:
        """Read what `to_json` gave; raise KeyError, TypeError or ValueError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**_parts(fields), **fields)


@dataclass(frozen=True, slots=True)
class TimelineSettings:
    """What `rokcsi serve timeline` needs: where the nodes are, and how it shows who it is.

    Without `listen` it takes no checkpoints: it only sends clones to their nodes. Without `admission` it does so
    once their claims are there.
    """

    driver_name: str
    metrics: str | None
    log_level: str
    log_format: str
    nodes: str
    node_identity: str
    controller_identity: str
    listen: str | None
    tls: TlsFiles
    checkpoints: CheckpointSettings
    admission: AdmissionSettings | None

    @classmethod
    def of(cls, driver: ServeSettings, network: NetworkSettings, checkpoints: CheckpointSettings) -> TimelineSettings:
        """Put the timeline's settings together; raise InvalidRequest where one is not set."""
        return cls(
            driver_name=driver.driver_name,
            metrics=driver.metrics,
            log_level=driver.log_level,
            log_format=driver.log_format,
            nodes=_set("nodes", network.nodes),
            node_identity=network.node_identity,
            controller_identity=network.controller_identity,
            listen=network.listen,
            tls=TlsFiles.of(network),
            checkpoints=checkpoints,
            admission=_admission(network),
        )

    def to_json(self) -> str:
        """Give the settings as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TimelineSettings:
        """Read what `to_json` gave; raise KeyError, TypeError or ValueError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        asked = fields.pop("admission")
        return cls(**_parts(fields), admission=AdmissionSettings(**asked) if asked else None, **fields)


def _parts(fields: dict[str, Any]) -> dict[str, Any]:
    """Take what all roles have out of the fields of a JSON object."""
    return {"tls": TlsFiles(**fields.pop("tls")), "checkpoints": CheckpointSettings(**fields.pop("checkpoints"))}


def _admission(network: NetworkSettings) -> AdmissionSettings | None:
    """Give where the API server asks, None where it does not; raise InvalidRequest for a certificate without a key."""
    if network.admission is None:
        return None
    files = network.admission_certificate, network.admission_key
    if files == (None, None):
        files = network.tls_certificate, network.tls_key
    certificate, key = (
        _set(name, each) for name, each in zip(("admission_certificate", "admission_key"), files, strict=True)
    )
    return AdmissionSettings(network.admission, certificate, key)


def _set(name: str, value: str | None) -> str:
    if not value:
        raise InvalidRequest(f"the setting {name} is not set; this role needs it (--{name.replace('_', '-')})")
    return value
