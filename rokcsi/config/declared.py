"""Every setting with its meaning, its default and its limits; `reading` fills it.

A setting has one name in all places: `max_workers` is the key in the TOML file,
`ROKCSI_MAX_WORKERS` in the environment, `--max-workers` among the flags.
"""

from __future__ import annotations

import getpass
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.sizes import Bytes

_DRIVER_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9.]{0,61}[a-zA-Z0-9])?")
_LABEL_KEY = re.compile(r"|([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,61}[a-zA-Z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_NODES = re.compile(r"static:\S+|file:/.+|kubernetes:[a-z0-9-]+/[a-z0-9-]+")
_POOL = re.compile(r"[a-z]+(?:-[a-z]+)*:.+")
_LONGEST_SOCKET = 107  # sun_path holds 108 bytes with its NUL, unix(7)
_HIGHEST_PORT = 65535
_NODE_ID_BYTES = 192  # Kubernetes' limit in CSINode


def _absolute(value: Any) -> Any:
    if not isinstance(value, str | Path) or not Path(value).is_absolute() or "\0" in str(value):
        raise ValueError("not an absolute path")
    return str(value)


def _absolute_or_none(value: Any) -> Any:
    return None if value in (None, "") else _absolute(value)


def _endpoint(value: Any) -> Any:
    path = str(value).removeprefix("unix:")
    if not path.startswith("/") or "\0" in path or path.strip("/") == "":
        raise ValueError("not unix:///PATH")
    path = "/" + path.lstrip("/")
    if len(path.encode()) > _LONGEST_SOCKET:
        raise ValueError(f"the socket's path is longer than the {_LONGEST_SOCKET} bytes that the kernel takes")
    return f"unix://{path}"


def _pool(value: Any) -> Any:
    if _POOL.fullmatch(str(value)) is None:
        raise ValueError("not KIND:PLACE, such as loopfile:/var/lib/rokcsi/pool")
    return value


def _host_and_port(value: Any) -> Any:
    if value in (None, ""):
        return None
    host, colon, port = str(value).rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError("not HOST:PORT, such as 127.0.0.1:9810")
    return f"{host or _all_addresses()}:{port}"  # ":PORT" is how people ask for all addresses


def _all_addresses() -> str:
    """Give the address that stands for all of this machine's; IPv4's where IPv6's would not stand for both."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        if not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return "[::]"
    return "0.0.0.0"  # noqa: S104 - as above


def _size(value: Any) -> Any:
    if value in (None, ""):
        return None
    try:
        return int(Bytes.parse(str(value)))
    except InvalidRequest as error:
        raise ValueError(str(error)) from error


def _node_id(value: Any) -> Any:
    if not str(value).isprintable() or not 0 < len(str(value).encode()) <= _NODE_ID_BYTES:
        raise ValueError(f"not 1 to {_NODE_ID_BYTES} printable bytes")
    return value


def _roots(value: Any) -> Any:
    if isinstance(value, str):
        value = [part for part in value.split(",") if part]
    return tuple(_absolute(part) for part in value)


def _matching(pattern: re.Pattern[str], what: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if pattern.fullmatch(str(value)) is None:
            raise ValueError(f"not {what}")
        return value

    return BeforeValidator(check)


def _nodes(value: Any) -> Any:
    if value in (None, ""):
        return None
    if _NODES.fullmatch(str(value)) is None:
        raise ValueError("not static:HOST:PORT, file:/PATH or kubernetes:NAMESPACE/SERVICE")
    return value


_File = Annotated[str | None, BeforeValidator(_absolute_or_none)]


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _host_name() -> str:
    return socket.gethostname() or "node"


class Declared(BaseSettings):
    """The settings of rokcsi; `home` gives `endpoint` and `pool` their defaults."""

    model_config = SettingsConfigDict(env_prefix="ROKCSI_", env_ignore_empty=True, extra="forbid", frozen=True)

    home: Annotated[str, BeforeValidator(_absolute)] = Field(
        "/var/lib/rokcsi",
        description="the folder of this machine's local set-up (pool, catalogue, cluster, socket); an absolute path",
    )
    endpoint: Annotated[str, BeforeValidator(_endpoint)] = Field(
        "",
        description="where the driver serves CSI: unix:///PATH (default: run/csi.sock in home); CSI_ENDPOINT says the same",
    )
    pool: Annotated[str, BeforeValidator(_pool)] = Field(
        "",
        description="the pool to serve: loopfile:/FOLDER, lvm:VG/THINPOOL, lvm-direct:VG/THINPOOL or zfs:POOL/PATH"
        " (default: loopfile: with the folder pool in home)",
    )
    node_id: Annotated[str, BeforeValidator(_node_id)] = Field(
        default_factory=_host_name,
        description="the name of this node to the container orchestrator, 1 to 192 printable bytes (default: the host's name)",
    )
    driver_name: Annotated[str, _matching(_DRIVER_NAME, "up to 63 letters, digits, - and .")] = Field(
        "rokcsi.dev", description="the CSI driver's name, as storage classes name it"
    )
    topology_key: Annotated[str, _matching(_LABEL_KEY, "a label key such as topology.example.com/node")] = Field(
        "", description="the topology segment's key whose value is the node id (default: topology.DRIVER_NAME/node)"
    )
    metrics: Annotated[str | None, BeforeValidator(_host_and_port)] = Field(
        None, description="HOST:PORT for /metrics, /healthz and /readyz (default: none; port 0 takes a free one)"
    )
    target_root: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_roots)] = Field(
        (),
        description="absolute folders below which targets must lie; several are separated by commas in the environment,"
        " repeated as flags (default: any absolute target)",
    )
    overcommit: float = Field(
        10.0,
        ge=1.0,
        le=1000.0,
        description="how many bytes may be promised for each byte of the pool; 1.0 reserves everything",
    )
    data_limit: float = Field(
        0.85, gt=0.0, le=1.0, description="the share of the pool's bytes above which new work is refused, 0 to 1"
    )
    metadata_limit: float = Field(
        0.70,
        gt=0.0,
        le=1.0,
        description="the share of the pool's metadata space above which new work is refused, where it has such a space, 0 to 1",
    )
    image_size: Annotated[int | None, BeforeValidator(_size)] = Field(
        None,
        description="the size of the file system that the pool makes for itself where its folder has no reflinks, such as 50Gi"
        " (default: the pool decides)",
    )
    max_workers: int = Field(64, ge=4, le=512, description="how many calls are carried out at once, 4 to 512")
    records: Annotated[str, BeforeValidator(_absolute)] = Field(
        "/run/rokcsi/records",
        description="the folder, in tmpfs, of what is staged and published on this node; an absolute path",
    )
    trim: bool = Field(
        True,
        description="whether the space of deleted files goes back to the pool, when a volume is unstaged and daily; true or false",
    )
    listen: Annotated[str | None, BeforeValidator(_host_and_port)] = Field(
        None, description="HOST:PORT where a node serves the controller with mutual TLS, such as 0.0.0.0:9811"
    )
    tls_certificate: _File = Field(None, description="the PEM file of this process' certificate with its chain")
    tls_key: _File = Field(None, description="the PEM file of that certificate's key")
    tls_authorities: _File = Field(
        None, description="the PEM file of the authorities that the other side's certificate must come from"
    )
    controller_identity: Annotated[str, _matching(_DNS_NAME, "a DNS name")] = Field(
        "rokcsi-controller", description="the DNS name in the certificate of the controller, which alone may call nodes"
    )
    node_identity: Annotated[str, _matching(_DNS_NAME, "a DNS name")] = Field(
        "rokcsi-node", description="the DNS name in the certificate of every node"
    )
    nodes: Annotated[str | None, BeforeValidator(_nodes)] = Field(
        None,
        description="where the controller finds the nodes: static:HOST:PORT,HOST:PORT, file:/PATH"
        " or kubernetes:NAMESPACE/SERVICE",
    )
    plugins_registry: _File = Field(
        None,
        description="the folder where kubelet looks for plugins, such as /var/lib/kubelet/plugins_registry;"
        " with it a node registers itself",
    )
    timeline: Annotated[str | None, BeforeValidator(_host_and_port)] = Field(
        None,
        description="HOST:PORT of the timeline, which takes checkpoints at the mount"
        " (default: none are taken, and rok/origin is not heard)",
    )
    people: Annotated[str | None, BeforeValidator(_host_and_port)] = Field(
        None,
        description="HOST:PORT where the timeline answers people (rokctl --context) over TLS (default: it answers nobody)",
    )
    admission: Annotated[str | None, BeforeValidator(_host_and_port)] = Field(
        None,
        description="HOST:PORT where the API server asks the timeline for the node of a clone's claim that is being made,"
        " over TLS (default: it does not, and claims get their node once they are there)",
    )
    admission_certificate: _File = Field(
        None, description="the PEM file of the certificate shown there (default: that of tls_certificate)"
    )
    admission_key: _File = Field(None, description="the PEM file of that certificate's key (default: that of tls_key)")
    checkpoint_deadline: float = Field(
        10.0, ge=0.1, le=100.0, description="how many seconds a pod's volumes wait for a checkpoint, 0.1 to 100"
    )
    checkpoint_failure_policy: Literal["ignore", "fail"] = Field(
        "ignore",
        description="what follows when a checkpoint was not taken in time: ignore (the pod goes on without), or fail"
        " (the pod waits, and it is tried again)",
    )
    catalogs: Annotated[str, BeforeValidator(_absolute)] = Field(
        "/var/lib/rokcsi/catalogs",
        description="the folder of the timeline's catalogues, one a namespace; an absolute path",
    )
    checkpoint_runs: int = Field(
        5, ge=1, le=10_000, description="how many runs of a namespace keep the checkpoints that were taken at the mount"
    )
    checkpoint_bytes: Annotated[int | None, BeforeValidator(_size)] = Field(
        None,
        description="how many bytes the checkpoints of a namespace may have, counted as the sizes of their volumes,"
        " such as 2Ti (default: any number)",
    )
    checkpoint_limit: float = Field(
        0.70, gt=0.0, le=1.0, description="the share of a pool's bytes above which none are taken at the mount, 0 to 1"
    )
    author: str = Field(
        default_factory=_login_name,
        description="who checkpoints are by, where nothing else is said (default: the login name)",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
    log_format: Literal["text", "json"] = Field("text", description="text for people, json for machines")

    @model_validator(mode="before")
    @classmethod
    def _follow_others(cls, values: Any) -> Any:
        home = values.get("home", cls.model_fields["home"].default)
        name = values.get("driver_name", cls.model_fields["driver_name"].default)
        defaults = {"endpoint": f"unix://{home}/run/csi.sock", "pool": f"loopfile:{home}/pool"}
        return defaults | {"topology_key": f"topology.{str(name).lower()}/node"} | values

    @model_validator(mode="after")
    def _records_apart_from_pool(self) -> Self:
        if Path(self.records) == Path(self.pool.partition(":")[2]):
            raise ValueError("the folder of records cannot be the pool's folder")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `reading` has gathered; the environment and the file were read there, with their origins."""
        return (init_settings,)
