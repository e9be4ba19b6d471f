"""`rokcsi`: serve the driver, look at its settings and its pool, find what is wrong with the machine."""

from __future__ import annotations

import typer

from rokcsi import __version__
from rokcsi.cli import settings_view
from rokcsi.cli.doctor import doctor
from rokcsi.cli.pools import pool_app
from rokcsi.cli.serve import app

__all__ = ["app"]

app.add_typer(pool_app, name="pool")
app.command("doctor")(doctor)
app.command("config")(settings_view.show_settings)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
