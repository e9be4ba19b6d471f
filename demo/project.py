"""The example project as its owner would have it: a folder with code, and the packages it needs, ready to install offline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "digits"
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "demo"), ("EMAIL", "demo@localhost"))
}


def python() -> str:
    """Give the interpreter that is there for everybody; a pod sees the machine's programs."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def cache() -> Path:
    """Give the folder where downloads are kept from one demo to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rokcsi"


def wheels() -> Path:
    """Give a folder with exactly the packages that the example's lock names; download them the first time."""
    lock = EXAMPLE / "requirements.lock"
    name = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache() / "wheels" / name
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        asked = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ]
        _run([*asked, "--require-hashes", "--requirement", str(lock), "--dest", str(partial)])
        partial.rename(folder)
    return folder


def workspace(folder: Path) -> Path:
    """Copy the example to `folder` and make it a git repository with one commit."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("/.venv/\n__pycache__/\n/result.json\n/report.txt\n", encoding="utf-8")
    commit(folder, "Read hand-written digits\n\nTwo models side by side: a support vector machine and a random forest.")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything in a folder, which becomes a git repository when it was none."""
    if not (folder / ".git").exists():
        _run(["git", "init", "--quiet", "--initial-branch", "main", str(folder)])
    _run(["git", "-C", str(folder), "add", "--all"])
    _run(["git", "-C", str(folder), "commit", "--quiet", "--message", message])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, env={**os.environ, **AUTHOR}, stdin=subprocess.DEVNULL)
