"""`rokcsi serve`: the one command of `rokcsi` that must start fast, hence in a file with few imports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.exits import FriendlyGroup, show_tracebacks
from rokcsi.config.reading import read_settings
from rokcsi.wiring.becoming import become_serve_all

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
serve_app = typer.Typer(no_args_is_help=True, help="Serve CSI on a unix socket.")
app.add_typer(serve_app, name="serve")

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings; else /etc/rokcsi/rokcsi.toml.")
]
Text = str | None


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=show_tracebacks)
    ] = False,
) -> None:
    _ = debug


@serve_app.command("all")
def serve_all(
    endpoint: Annotated[Text, typer.Option(metavar="unix:///PATH", help="Where to serve CSI.")] = None,
    pool: Annotated[Text, typer.Option(metavar="KIND:PLACE", help="The pool to serve.")] = None,
    node_id: Annotated[Text, typer.Option(metavar="NAME", help="This node's name.")] = None,
    metrics: Annotated[Text, typer.Option(metavar="HOST:PORT", help="Where to serve metrics and health.")] = None,
    target_root: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Targets must lie below it; repeatable.")
    ] = None,
    driver_name: Annotated[Text, typer.Option(metavar="NAME", help="The CSI driver's name.")] = None,
    topology_key: Annotated[Text, typer.Option(metavar="KEY", help="The topology segment's key.")] = None,
    overcommit: Annotated[Text, typer.Option(metavar="NUMBER", help="Bytes promised for each byte there is.")] = None,
    data_limit: Annotated[Text, typer.Option(metavar="SHARE", help="Refuse new work above this share.")] = None,
    metadata_limit: Annotated[Text, typer.Option(metavar="SHARE", help="The same for the pool's metadata.")] = None,
    image_size: Annotated[Text, typer.Option(metavar="SIZE", help="Size of the pool's own file system.")] = None,
    max_workers: Annotated[Text, typer.Option(metavar="NUMBER", help="Calls carried out at once.")] = None,
    records: Annotated[Text, typer.Option(metavar="PATH", help="Where staged and published targets are noted.")] = None,
    trim: Annotated[
        bool | None, typer.Option("--trim/--no-trim", help="Give the space of deleted files back to the pool.")
    ] = None,
    log_level: Annotated[Text, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
    log_format: Annotated[Text, typer.Option(metavar="FORMAT", help="text or json.")] = None,
    home: Annotated[Text, typer.Option(metavar="PATH", help="The folder that gives the defaults their place.")] = None,
    config: ConfigFile = None,
) -> None:
    """Serve identity, controller, group controller and node for one machine, on one unix socket.

    Prints one line when it serves. SIGTERM lets running calls end, then stops; a second
    signal hurries. Every flag can also be set in the environment (ROKCSI_POOL …) or in the
    TOML file; `rokcsi config` shows what is in force.
    """
    flags = {name: value for name, value in locals().items() if name != "config"}
    become_serve_all(read_settings(flags, config).serve)
