"""`rokcsi config`: the settings in force, each with where it came from."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rokcsi.cli.formats import Column, print_table
from rokcsi.config.reading import EffectiveSettings, Setting, read_settings


class SettingsFormat(StrEnum):
    """How the settings are printed; TOML can be used as the settings file."""

    TABLE = "table"
    JSON = "json"
    TOML = "toml"


_COLUMNS = (
    Column[Setting]("SETTING", lambda setting: setting.name),
    Column[Setting]("VALUE", lambda setting: _shown(setting.value)),
    Column[Setting]("FROM", lambda setting: setting.origin),
)


def show_settings(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML file with settings; else /etc/rokcsi/rokcsi.toml."),
    ] = None,
    output: Annotated[SettingsFormat, typer.Option("--output", "-o", help="How to print them.")] = SettingsFormat.TABLE,
) -> None:
    """Show the settings in force and where each one came from: flag, environment, file or default."""
    effective = read_settings({}, config)
    if output is SettingsFormat.TABLE:
        print_table(effective.settings, _COLUMNS)
    elif output is SettingsFormat.JSON:
        typer.echo(json.dumps({s.name: {"value": s.value, "from": s.origin} for s in effective.settings}, indent=2))
    else:
        typer.echo(as_toml(effective))


def as_toml(effective: EffectiveSettings) -> str:
    """Give the settings as a settings file; those that are not set are comments."""
    lines = []
    for setting in effective.settings:
        lines.append(f"# {setting.description} [{setting.origin}]")
        # JSON's strings, numbers and lists of strings are TOML's too.
        lines.append(
            f"# {setting.name} =" if setting.value is None else f"{setting.name} = {json.dumps(setting.value)}"
        )
    return "\n".join(lines)


def _shown(value: str | float | tuple[str, ...] | None) -> str:
    if value is None or value in ((), ""):
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
