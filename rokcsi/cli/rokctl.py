"""`rokctl`: notebooks, checkpoints and runs of this machine, in the words that kubectl's users expect."""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script  # the only way to a script that is not installed at once

from rokcsi import __version__
from rokcsi.cli import asking, deeds, forgetting
from rokcsi.cli.catalogue import catalog_app
from rokcsi.cli.exits import FriendlyGroup, show_tracebacks
from rokcsi.cli.nodes import node_app
from rokcsi.cli.opening import Place, hoisted
from rokcsi.cli.settings_view import show_settings
from rokcsi.wiring.in_cluster import DEFAULT_TIMELINE

app = typer.Typer(
    cls=FriendlyGroup,
    name="rokctl",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Notebooks, their checkpoints, and pipelines that run on clones of them.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 exists already, 5 in use, 6 no room,"
    " 7 driver away, 8 not possible here, 130 interrupted.",
)
app.command("get")(asking.get)
app.command("describe")(asking.describe)
app.add_typer(deeds.create_app, name="create")
app.command("checkpoint")(deeds.checkpoint)
app.command("run")(deeds.run)
app.command("resume")(deeds.resume)
app.command("cancel")(deeds.cancel)
app.command("restore")(deeds.restore)
app.command("exec", context_settings={"ignore_unknown_options": True})(deeds.execute)
app.command("logs")(asking.logs)
app.command("url")(asking.url)
app.command("wait")(asking.wait)
app.command("delete")(forgetting.delete)
app.command("retain")(forgetting.retain)
app.command("pin")(forgetting.pin)
app.command("unpin")(forgetting.unpin)
app.add_typer(catalog_app, name="catalog")
app.add_typer(node_app, name="node")
app.command("config")(show_settings)


class Shell(StrEnum):
    """The shells that completion is written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.callback()
def _root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="PATH", help="This machine's set-up [ROKCSI_HOME, /var/lib/rokcsi]."),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="The namespace; this machine has one, default.")
    ] = None,
    kube_context: Annotated[
        str | None,
        typer.Option(
            "--context",
            metavar="NAME",
            envvar="ROKCSI_CONTEXT",
            help="Work on the cluster of this context of your kubeconfig; in-cluster: the one around this pod.",
        ),
    ] = None,
    timeline: Annotated[
        str,
        typer.Option(
            "--timeline",
            metavar="NAMESPACE/SERVICE",
            envvar="ROKCSI_TIMELINE_SERVICE",
            help="Where that has its timeline.",
        ),
    ] = DEFAULT_TIMELINE,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=show_tracebacks)
    ] = False,
) -> None:
    _ = debug
    if context.obj is None:
        context.obj = Place(home, None, namespace, kube_context or None, timeline)


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the script that completes commands, kinds and names: `source <(rokctl completion bash)`."""
    typer.echo(get_completion_script(prog_name="rokctl", complete_var="_ROKCTL_COMPLETE", shell=shell.value))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; the console script's entry. SIGTERM is taken as Ctrl-C is: nothing stays half made."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(hoisted(sys.argv[1:]), prog_name="rokctl")


if __name__ == "__main__":
    main()
