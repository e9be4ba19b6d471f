"""`rokcsi serve`: the one command of `rokcsi` that must start fast, hence in a file with few imports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.exits import FriendlyGroup, show_tracebacks
from rokcsi.config.reading import read_settings
from rokcsi.config.roles import NodeSettings, SwitchboardSettings, TimelineSettings
from rokcsi.wiring.becoming import become_serve_all, become_serve_controller, become_serve_node, become_serve_timeline

app = typer.Typer(
    cls=FriendlyGroup,
    name="rokcsi",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="The CSI driver with instant, restorable volumes: serve it, and look after its pool.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, 4 exists already, 5 in use,"
    " 6 no room, 7 away or taken, 8 not possible here.",
)
serve_app = typer.Typer(no_args_is_help=True, help="Serve CSI: for one machine, or as one of the roles of a cluster.")
app.add_typer(serve_app, name="serve")

Text = str | None
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings; else /etc/rokcsi/rokcsi.toml.")
]
Endpoint = Annotated[Text, typer.Option(metavar="unix:///PATH", help="Where to serve CSI.")]
Pool = Annotated[Text, typer.Option(metavar="KIND:PLACE", help="The pool to serve.")]
NodeId = Annotated[Text, typer.Option(metavar="NAME", help="This node's name.")]
Metrics = Annotated[Text, typer.Option(metavar="HOST:PORT", help="Where to serve metrics and health.")]
TargetRoots = Annotated[list[str] | None, typer.Option(metavar="PATH", help="Targets must lie below it; repeatable.")]
DriverName = Annotated[Text, typer.Option(metavar="NAME", help="The CSI driver's name.")]
TopologyKey = Annotated[Text, typer.Option(metavar="KEY", help="The topology segment's key.")]
Overcommit = Annotated[Text, typer.Option(metavar="NUMBER", help="Bytes promised for each byte there is.")]
DataLimit = Annotated[Text, typer.Option(metavar="SHARE", help="Refuse new work above this share.")]
MetadataLimit = Annotated[Text, typer.Option(metavar="SHARE", help="The same for the pool's metadata.")]
ImageSize = Annotated[Text, typer.Option(metavar="SIZE", help="Size of the pool's own file system.")]
MaxWorkers = Annotated[Text, typer.Option(metavar="NUMBER", help="Calls carried out at once.")]
Records = Annotated[Text, typer.Option(metavar="PATH", help="Where staged and published targets are noted.")]
Trim = Annotated[
    bool | None, typer.Option("--trim/--no-trim", help="Give the space of deleted files back to the pool.")
]
LogLevel = Annotated[Text, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")]
LogFormat = Annotated[Text, typer.Option(metavar="FORMAT", help="text or json.")]
Home = Annotated[Text, typer.Option(metavar="PATH", help="The folder that gives the defaults their place.")]
Listen = Annotated[Text, typer.Option(metavar="HOST:PORT", help="Where the controller reaches this node.")]
Certificate = Annotated[Text, typer.Option(metavar="FILE", help="PEM file of our certificate.")]
Key = Annotated[Text, typer.Option(metavar="FILE", help="PEM file of its key.")]
Authorities = Annotated[Text, typer.Option(metavar="FILE", help="PEM file of the authorities to trust.")]
ControllerIdentity = Annotated[Text, typer.Option(metavar="NAME", help="DNS name in the controller's certificate.")]
NodeIdentity = Annotated[Text, typer.Option(metavar="NAME", help="DNS name in the nodes' certificates.")]
PluginsRegistry = Annotated[Text, typer.Option(metavar="PATH", help="kubelet's folder, to register there.")]
Timeline = Annotated[Text, typer.Option(metavar="HOST:PORT", help="Who takes checkpoints at the mount.")]
Deadline = Annotated[Text, typer.Option(metavar="SECONDS", help="How long a pod waits for a checkpoint.")]
FailurePolicy = Annotated[Text, typer.Option(metavar="POLICY", help="ignore or fail, after that.")]
Catalogs = Annotated[Text, typer.Option(metavar="PATH", help="Where the catalogues are kept.")]
CheckpointRuns = Annotated[Text, typer.Option(metavar="NUMBER", help="Runs of a namespace that are kept.")]
CheckpointBytes = Annotated[Text, typer.Option(metavar="SIZE", help="The most that a namespace keeps.")]
CheckpointLimit = Annotated[Text, typer.Option(metavar="SHARE", help="Take none where a pool is fuller.")]
ServeVisits = Annotated[Text, typer.Option("--listen", metavar="HOST:PORT", help="Where nodes and the controller ask.")]
People = Annotated[Text, typer.Option(metavar="HOST:PORT", help="Where people ask (rokctl --context).")]
Admission = Annotated[Text, typer.Option(metavar="HOST:PORT", help="Where the API server asks for clones' nodes.")]
AdmissionCertificate = Annotated[Text, typer.Option(metavar="FILE", help="PEM file of the certificate shown there.")]
AdmissionKey = Annotated[Text, typer.Option(metavar="FILE", help="PEM file of that certificate's key.")]
Nodes = Annotated[Text, typer.Option(metavar="KIND:PLACE", help="Where the nodes are found.")]


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=show_tracebacks)
    ] = False,
) -> None:
    _ = debug


@serve_app.command("all")
def serve_all(
    endpoint: Endpoint = None,
    pool: Pool = None,
    node_id: NodeId = None,
    metrics: Metrics = None,
    target_root: TargetRoots = None,
    driver_name: DriverName = None,
    topology_key: TopologyKey = None,
    overcommit: Overcommit = None,
    data_limit: DataLimit = None,
    metadata_limit: MetadataLimit = None,
    image_size: ImageSize = None,
    max_workers: MaxWorkers = None,
    records: Records = None,
    trim: Trim = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Serve identity, controller, group controller and node for one machine, on one unix socket.

    Prints one line when it serves. SIGTERM lets running calls end, then stops; a second
    signal hurries. Every flag can also be set in the environment (ROKCSI_POOL …) or in the
    TOML file; `rokcsi config` shows what is in force.
    """
    flags = {name: value for name, value in locals().items() if name != "config"}
    become_serve_all(read_settings(flags, config).serve)


@serve_app.command("node")
def serve_node(
    endpoint: Endpoint = None,
    listen: Listen = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_authorities: Authorities = None,
    controller_identity: ControllerIdentity = None,
    plugins_registry: PluginsRegistry = None,
    timeline: Timeline = None,
    checkpoint_deadline: Deadline = None,
    checkpoint_failure_policy: FailurePolicy = None,
    pool: Pool = None,
    node_id: NodeId = None,
    metrics: Metrics = None,
    target_root: TargetRoots = None,
    driver_name: DriverName = None,
    topology_key: TopologyKey = None,
    overcommit: Overcommit = None,
    data_limit: DataLimit = None,
    metadata_limit: MetadataLimit = None,
    image_size: ImageSize = None,
    max_workers: MaxWorkers = None,
    records: Records = None,
    trim: Trim = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Serve the driver of one node of a cluster: all of CSI for kubelet, the controllers over TLS for `serve controller`.

    The same driver as `serve all`, for the pool of this node. Only a caller with the
    controller's certificate gets in over the network. With `--plugins-registry` it
    registers itself with kubelet.
    """
    effective = read_settings({name: value for name, value in locals().items() if name != "config"}, config)
    become_serve_node(NodeSettings.of(effective.serve, effective.network, effective.checkpoints))


@serve_app.command("controller")
def serve_controller(
    endpoint: Endpoint = None,
    nodes: Nodes = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_authorities: Authorities = None,
    node_identity: NodeIdentity = None,
    controller_identity: ControllerIdentity = None,
    timeline: Timeline = None,
    driver_name: DriverName = None,
    metrics: Metrics = None,
    max_workers: MaxWorkers = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Serve the switchboard of a cluster: the controllers of CSI for the sidecars, each call passed on to its node.

    It has no storage, needs no privilege and keeps no state.
    """
    effective = read_settings({name: value for name, value in locals().items() if name != "config"}, config)
    become_serve_controller(SwitchboardSettings.of(effective.serve, effective.network, effective.checkpoints))


@serve_app.command("timeline")
def serve_timeline(
    nodes: Nodes = None,
    listen: ServeVisits = None,
    people: People = None,
    admission: Admission = None,
    admission_certificate: AdmissionCertificate = None,
    admission_key: AdmissionKey = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_authorities: Authorities = None,
    node_identity: NodeIdentity = None,
    controller_identity: ControllerIdentity = None,
    catalogs: Catalogs = None,
    checkpoint_runs: CheckpointRuns = None,
    checkpoint_bytes: CheckpointBytes = None,
    checkpoint_limit: CheckpointLimit = None,
    driver_name: DriverName = None,
    metrics: Metrics = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Serve what watches a cluster's claims and pods: it sends clones to the node that holds their source's data.

    With `--listen` it takes checkpoints at the mount, too, and keeps their catalogues; with
    `--people` users of the cluster ask for them there. With `--admission` a clone has its
    node before the scheduler sees it: for a MutatingWebhookConfiguration.

    One is enough. It reaches the cluster as the pod it runs in, else as KUBECONFIG says, and
    asks the nodes which pool they serve with the controller's certificate.
    """
    effective = read_settings({name: value for name, value in locals().items() if name != "config"}, config)
    become_serve_timeline(TimelineSettings.of(effective.serve, effective.network, effective.checkpoints))
