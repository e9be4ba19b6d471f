"""The first parts of the story: the driver, the notebook with its three volumes, the checkpoint."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from demo import project
from demo.stage import NOTEBOOK, Stage
from demo.telling import a_table, lasting
from rokcsi.cli.pages import version_page
from rokcsi.model.history import Notebook, Task, TaskStatus, Version
from rokcsi.model.snapshot import Consistency
from rokcsi.pipeline.progress import Event, TaskChanged
from rokcsi.sdk import volume

DATA_ROWS = 1797
_EMBEDDED = (
    "The driver, on its embedded pool",
    "A folder on this machine is the pool; no spare disk, no LVM, no ZFS, no Kubernetes.",
)
_OTHERWISE = ("The driver, on a pool that is there", "The settings name it; no Kubernetes.")


def start_driver(stage: Stage) -> None:
    """Start the driver on the pool of the settings, or find the one that serves already."""
    tell = stage.teller
    (pool,) = stage.session.pools()
    title, why = _EMBEDDED if pool.name.startswith("loopfile:") else _OTHERWISE
    with tell.part(title, why):
        stage.session.start_driver()
        (pool,) = stage.session.pools()
        room = pool.capacity.available if pool.capacity else "unknown"
        tell.say(f"  [bold]{pool.name}[/]: {room} available; the driver serves CSI on {pool.socket}")
        tell.claim("the driver answers on its socket", holds=pool.serving)


def fill_notebook(stage: Stage) -> Notebook:
    """Make the notebook: code and commit from a folder, packages and data installed by its owner, inside."""
    tell = stage.teller
    why = "What a data scientist has: code under git, an environment, raw data, and a place for models."
    with tell.part("A notebook with three volumes", why):
        packages = project.wheels()
        with tempfile.TemporaryDirectory(prefix="rokcsi-demo-") as folder, stage.painter() as painter:
            workspace = project.workspace(Path(folder) / "workspace")
            notebook = stage.session.create_notebook(
                NOTEBOOK,
                [volume("workspace", workspace, size="4Gi"), volume("data"), volume("models")],
                environment={"DATA": "/mnt/data", "MODELS": "/mnt/models"},
                working_directory="/mnt/workspace",
                listener=painter,
            )
        start = time.monotonic()
        with tell.console.status("installing numpy and scikit-learn into the workspace volume …"):
            stage.execute(NOTEBOOK, project.python(), "-m", "venv", ".venv")
            install = (
                ".venv/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-index",
            )
            stage.execute(
                NOTEBOOK, *install, "--find-links", str(packages), "--require-hashes", "-r", "requirements.lock"
            )
            stage.execute(NOTEBOOK, ".venv/bin/python", "get_digits.py")
        tell.say(
            f"  numpy and scikit-learn were installed into the workspace volume in {lasting(time.monotonic() - start)}"
        )
        _show_volumes(stage, notebook)
    return notebook


def _show_volumes(stage: Stage, notebook: Notebook) -> None:
    stage.fingerprints = stage.fingerprints_of(notebook)
    folders = stage.folders(notebook)
    table = a_table("volume", "seen at", "files", "MB", "hash of everything in it")
    for mounted in notebook.volumes:
        files = [path for top, _, names in os.walk(folders[mounted.name]) for path in (Path(top) / n for n in names)]
        size = sum(path.lstat().st_size for path in files)
        digest = stage.fingerprints[mounted.name][:16]
        table.add_row(mounted.name, mounted.mount_path, str(len(files)), f"{size / 1e6:.1f}", digest)
    stage.teller.show(table)
    rows = len((folders["data"] / "digits.csv").read_text(encoding="utf-8").splitlines())
    stage.teller.claim(f"the raw data are there: {rows} images of hand-written digits", holds=rows == DATA_ROWS)


class _Remembering:
    """Passes events on, and keeps how far each task was said to be."""

    def __init__(self, stage: Stage) -> None:
        self.tasks: list[Task] = []
        self._stage = stage

    def hear(self, event: Event) -> None:
        """Keep the tasks."""
        if isinstance(event, TaskChanged):
            self.tasks.append(event.task)
            task = event.task
            self._stage.teller.say(f"  [dim]task {task.id[:8]}[/]  {task.progress:3d} %  {task.status}  {task.message}")


def take_checkpoint(stage: Stage) -> Version:
    """Take a checkpoint of all three volumes at one instant."""
    tell = stage.teller
    why = "All volumes cut at one instant, while they are in use. Writers wait only for the freeze window."
    with tell.part("A checkpoint of all three", why):
        tell.command(f"rokctl checkpoint {NOTEBOOK} --message 'before the first run'")
        heard = _Remembering(stage)
        version = stage.session.checkpoint(NOTEBOOK, message="before the first run", author="demo", listener=heard)
        tell.command(f"rokctl describe checkpoint {version.id[:8]}")
        tell.page(version_page(version, stage.session.clones(version)))
        _check_checkpoint(stage, version, heard.tasks)
    return version


def _check_checkpoint(stage: Stage, version: Version, tasks: list[Task]) -> None:
    tell = stage.teller
    window = lasting(version.freeze_window_seconds)
    together = len(version.members) == len(stage.fingerprints) and version.consistency is Consistency.FROZEN
    tell.claim(f"three volumes are in it, cut within one freeze of {window}", holds=together)
    progress = [task.progress for task in tasks]
    rising = progress == sorted(progress) and progress[-1] == 100 and tasks[-1].status is TaskStatus.SUCCESS
    tell.claim("its task went from 0 to 100", holds=rising and progress[0] <= 1, otherwise=str(progress))
    commit = version.reason.commit
    tell.claim(
        "it knows the commit of the workspace", holds=commit is not None and commit.title == "Read hand-written digits"
    )
