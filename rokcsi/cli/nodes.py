"""`rokctl node`: what an administrator says of a cluster's nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.asking_first import ask_first
from rokcsi.config.reading import read_settings
from rokcsi.model.errors import InvalidRequest
from rokcsi.wiring.rosters import forget_node

node_app = typer.Typer(no_args_is_help=True, help="What is to be known of a cluster's nodes.")


@node_app.command("forget")
def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The node's name, or the id of its pool.")],
    nodes: Annotated[
        str | None, typer.Option(metavar="KIND:PLACE", help="Where the controller finds the nodes [ROKCSI_NODES].")
    ] = None,
    driver_name: Annotated[str | None, typer.Option(metavar="NAME", help="The CSI driver's name.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file with settings; else /etc/rokcsi/rokcsi.toml."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Declare a node gone for good: deletes of its volumes and snapshots count as done from then on.

    Until then they answer "away", since nobody knows whether the data comes back. A node
    that the cluster calls Ready, or where the driver still runs, is refused. On a terminal it asks first.
    """
    settings = read_settings({"nodes": nodes, "driver_name": driver_name}, config)
    if settings.network.nodes is None:
        raise InvalidRequest("say where the controller finds the nodes: --nodes kubernetes:NAMESPACE/SERVICE")
    ask_first(f"Forget node {name}, with everything that is on it?", yes=yes)
    for pool in sorted(forget_node(settings.network.nodes, settings.serve.driver_name, name)):
        typer.echo(f"pool/{pool} forgotten")
