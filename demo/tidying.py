"""Removes what the demo made, and nothing else; also what a demo that was killed has left."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.stage import NOTEBOOKS, PIPELINE
from rokcsi.local.driver import stop
from rokcsi.model.errors import NotFound, StillInUse
from rokcsi.model.history import NOTEBOOKS_BUCKET
from rokcsi.sdk import Session, connect

MARK = "made-by-demo"


def clear(session: Session) -> int:
    """Remove the demo's runs, notebooks and checkpoints; give how many things that were."""
    removed = 0
    for run in session.runs(pipeline=PIPELINE):
        if run.notebook in NOTEBOOKS:
            session.delete_run(run)
            removed += 1
    for notebook in session.notebooks():
        if notebook.name in NOTEBOOKS:
            session.delete_notebook(notebook)
            removed += 1
    for name in NOTEBOOKS:
        for version in session.checkpoints(bucket=NOTEBOOKS_BUCKET, object=name):
            session.delete_checkpoint(version)
            removed += 1
    _drop_empty_buckets(session)
    return removed


def _drop_empty_buckets(session: Session) -> None:
    for bucket in (PIPELINE, NOTEBOOKS_BUCKET):
        try:
            session.delete_bucket(bucket)
        except (NotFound, StillInUse):
            continue  # somebody else's things are in it, or it was never made


def remove(home: Path) -> list[str]:
    """Remove everything; the home folder too when the demo made it and nobody else uses it. Gives what was done, in words."""
    if not home.is_dir():
        return [f"nothing to remove: there is no {home}"]
    done = []
    with connect(home) as session:
        done.append(f"{clear(session)} runs, notebooks and checkpoints of the demo removed")
        others = len(session.notebooks()) + len(session.runs()) + len(session.checkpoints()) + len(session.claims())
    if others or not (home / MARK).exists():
        return [*done, f"{home} stays with its driver: the demo did not make it, or something else is in it"]
    if stop(home):
        done.append("the driver was stopped")
    _refuse_mounts(home)
    shutil.rmtree(home)
    return [*done, f"{home} removed"]


def _refuse_mounts(home: Path) -> None:
    """Make sure that the folder holds nothing but files: a mount in it is somebody's data."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    inside = [point for point in points if Path(point).is_relative_to(home.resolve())]
    if inside:
        raise StillInUse(f"{inside[0]} is still mounted; see `rokcsi doctor`, then run make demo-clean again")
