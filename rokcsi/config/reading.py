"""Where settings come from: flags, then the environment, then a TOML file, then defaults.

Read once, by the command lines. Every value remembers its origin, so that a wrong one can
be named with the place to correct it, and `rokcsi config` can show where each came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from rokcsi.config.declared import Declared
from rokcsi.config.settings import CheckpointSettings, LocalSettings, NetworkSettings, ServeSettings
from rokcsi.model.errors import InvalidRequest

DEFAULT_FILE = Path("/etc/rokcsi/rokcsi.toml")
CONFIG_VARIABLE = "ROKCSI_CONFIG"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting with the value in force and where it came from."""

    name: str
    value: str | float | int | tuple[str, ...] | None
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """All settings in force, in the order they are declared, and the shapes the house uses."""

    settings: tuple[Setting, ...]
    serve: ServeSettings
    network: NetworkSettings
    checkpoints: CheckpointSettings
    local: LocalSettings


@dataclass(frozen=True, slots=True)
class _Source:
    """One place that gives values; `origins` says for each name how a person finds it there."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]


def read_settings(flags: Mapping[str, Any] | None = None, config: Path | None = None) -> EffectiveSettings:
    """Read the settings in force; raise InvalidRequest naming the setting, its origin and what it should be.

    `flags` are those the user gave (None stands for "not given"); `config` is the TOML file
    (else ROKCSI_CONFIG, else /etc/rokcsi/rokcsi.toml where there is one).
    """
    sources = (_flags(flags or {}), _environment(), _csi_endpoint(), _file(config))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for name, value in source.values.items():
            if name not in values:
                values[name], origins[name] = value, source.origins[name]
    try:
        declared = Declared(**values)
    except ValidationError as error:
        raise InvalidRequest(_explained(error, values, origins)) from error
    return _effective(declared, origins)


def _flags(flags: Mapping[str, Any]) -> _Source:
    given = {name: value for name, value in flags.items() if value not in (None, (), [])}
    return _Source(given, {name: f"flag --{name.replace('_', '-')}" for name in given})


def _environment() -> _Source:
    found = EnvSettingsSource(Declared)()
    return _Source(found, {name: f"environment ROKCSI_{name.upper()}" for name in found})


def _csi_endpoint() -> _Source:
    endpoint = os.environ.get("CSI_ENDPOINT")
    return _Source({"endpoint": endpoint} if endpoint else {}, {"endpoint": "environment CSI_ENDPOINT"})


def _file(config: Path | None) -> _Source:
    chosen = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    path = chosen or DEFAULT_FILE
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if chosen is None:
            return _Source({}, {})
        raise InvalidRequest(
            f"there is no settings file {path}; make it, or leave --config and {CONFIG_VARIABLE} out"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the settings file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"the settings file {path} is not TOML: {error}") from error
    return _Source(found, dict.fromkeys(found, f"file {path}"))


def _explained(error: ValidationError, values: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    origin = origins.get(name, "default")
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(Declared.model_fields))
        return f"there is no setting {name!r} ({origin}); there are: {known}"
    said = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"setting {name} = {values.get(name)!r} ({origin}): {said}. It is: {Declared.model_fields[name].description}{more}"


def _effective(declared: Declared, origins: Mapping[str, str]) -> EffectiveSettings:
    settings = tuple(
        Setting(name, getattr(declared, name), origins.get(name, "default"), field.description or "")
        for name, field in Declared.model_fields.items()
    )
    serve = ServeSettings(
        endpoint=declared.endpoint,
        pool=declared.pool,
        node_id=declared.node_id,
        driver_name=declared.driver_name,
        topology_key=declared.topology_key,
        metrics=declared.metrics,
        target_roots=declared.target_root,
        overcommit=declared.overcommit,
        data_limit=declared.data_limit,
        metadata_limit=declared.metadata_limit,
        image_size=declared.image_size,
        max_workers=declared.max_workers,
        records=declared.records,
        trim=declared.trim,
        log_level=declared.log_level,
        log_format=declared.log_format,
    )
    network = NetworkSettings(**{each.name: getattr(declared, each.name) for each in fields(NetworkSettings)})
    checkpoints = CheckpointSettings(**{each.name: getattr(declared, each.name) for each in fields(CheckpointSettings)})
    local = LocalSettings(Path(declared.home), declared.pool, declared.driver_name, declared.author, declared.log_level)
    return EffectiveSettings(settings, serve, network, checkpoints, local)
