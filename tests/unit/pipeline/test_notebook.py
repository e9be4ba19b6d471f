"""Notebooks: folders copied as they are, made whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, RecordExists, RecordNotFound, SystemCallFailed
from rokcsi.model.history import Notebook, TaskStatus
from rokcsi.model.sizes import Bytes
from rokcsi.pipeline import copying, fingerprint, notebook
from rokcsi.pipeline.checkpoint import Words, of_notebook
from rokcsi.pipeline.progress import Event, FolderCopied, FolderMeasured
from rokcsi.pipeline.restore import restore
from rokcsi.pipeline.world import World
from tests.fakes.memory_cluster import MemoryCluster
from tests.unit.pipeline.conftest import Heard, new_notebook


def _tree(root: Path) -> None:
    """Make one of everything that a folder may hold."""
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep").chmod(0o2750)
    (root / "plain").write_text("text")
    os.utime(root / "plain", (1_000_000_000, 1_000_000_000))
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "deep" / "second-name").hardlink_to(root / "plain")
    (root / "link").symlink_to("deep/er")
    (root / "dangling").symlink_to("/nowhere")
    os.mkfifo(root / "pipe")
    (root / "naïve \n name").write_text("x")
    with (root / "sparse").open("wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    os.utime(root / "deep", (900_000_000, 900_000_000))


def _facts(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        known = path.lstat()
        target = path.readlink() if path.is_symlink() else None
        found[str(path.relative_to(root))] = (known.st_mode, known.st_uid, known.st_mtime_ns, known.st_nlink, target)
    return found


def test_a_folder_is_copied_with_modes_times_links_and_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    _tree(source)
    told: list[copying.FolderSize] = []
    copying.copy_folder(source, target, told.append)

    assert _facts(target) == _facts(source)
    assert fingerprint.of_folder(target) == fingerprint.of_folder(source)
    assert (target / "sparse").stat().st_size == 128 << 20
    assert (target / "sparse").stat().st_blocks * 512 < 1 << 20
    assert (target / "plain").stat().st_ino == (target / "deep" / "second-name").stat().st_ino
    assert told[-1].files == len(_facts(source))


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "plain").write_text("texT"),
        lambda root: (root / "plain").chmod(0o600),
        lambda root: (root / "plain").rename(root / "renamed"),
        lambda root: (root / "new").mkdir(),
        lambda root: (root / "link").unlink() or (root / "link").symlink_to("deep"),
    ],
)
def test_a_fingerprint_tells_every_change(tmp_path: Path, change: object) -> None:
    _tree(tmp_path)
    before = fingerprint.of_folder(tmp_path)
    assert callable(change)
    change(tmp_path)
    assert fingerprint.of_folder(tmp_path) != before


def test_a_notebook_is_made_of_folders_and_held_by_a_pod(world: World, cluster: MemoryCluster, folders: Path) -> None:
    heard = Heard()
    lab = notebook.create(world, new_notebook(folders), heard)
    assert world.catalog.notebooks.get("lab") == lab
    assert [volume.claim for volume in lab.volumes] == ["lab-workspace", "lab-data", "lab-models"]
    assert (cluster.folder("lab-data") / "numbers").read_text() == "1 2 3\n"
    assert [pod.name for pod in cluster.pods()] == ["lab"]
    assert cluster.claim("lab-data").size == Bytes(1 << 30)
    assert [event.volume.name for event in heard.events if isinstance(event, FolderMeasured)] == [
        "workspace",
        "data",
        "models",
    ]
    assert any(isinstance(event, FolderCopied) for event in heard.events)
    assert world.catalog.tasks.get(lab.task or "").status is TaskStatus.SUCCESS


class _InterruptsTheCopy:
    def hear(self, event: Event) -> None:
        if isinstance(event, FolderCopied):
            raise KeyboardInterrupt


def test_ctrl_c_while_copying_leaves_nothing(world: World, cluster: MemoryCluster, folders: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        notebook.create(world, new_notebook(folders), _InterruptsTheCopy())
    assert cluster.left() == set()
    assert world.catalog.notebooks.list() == []
    assert [task.status for task in world.catalog.tasks.list()] == [TaskStatus.CANCELED]
    notebook.create(world, new_notebook(folders))


def test_a_folder_that_cannot_be_read_leaves_nothing(
    world: World, cluster: MemoryCluster, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise SystemCallFailed("the disk is gone")

    monkeypatch.setattr(copying, "copy_folder", broken)
    with pytest.raises(SystemCallFailed):
        notebook.create(world, new_notebook(folders))
    assert cluster.left() == set()


def _with(new: notebook.NewNotebook, **changes: object) -> notebook.NewNotebook:
    first = dataclasses.replace(new.volumes[0], **changes)  # type: ignore[arg-type]  # one field a case
    return dataclasses.replace(new, volumes=(first, *new.volumes[1:]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda new: dataclasses.replace(new, name="My Lab"), "is no name; use lower-case"),
        (lambda new: dataclasses.replace(new, name="x" * 41), "at most 40 characters"),
        (lambda new: dataclasses.replace(new, volumes=()), "at least one volume, the workspace"),
        (lambda new: _with(new, name="../up"), "is no name"),
        (lambda new: _with(new, name="data"), "two volumes have the name 'data'"),
        (lambda new: _with(new, mount_path="/home/me/data"), "two volumes have the mount path"),
        (lambda new: _with(new, mount_path="relative"), "is no absolute path"),
        (lambda new: _with(new, mount_path="/a/../b"), "empty, '.' or '..' parts"),
        (lambda new: _with(new, mount_path="/"), "no volume can be mounted over /;"),
        (lambda new: _with(new, mount_path="/dev/shm"), "no volume can be mounted over /dev/shm"),
        (lambda new: _with(new, folder=Path("/nowhere")), "/nowhere is no folder"),
        (lambda new: _with(new, filesystem="ntfs"), "'ntfs' is no file system; use xfs or ext4"),
        (lambda new: _with(new, size=Bytes(0)), "a size of 0 cannot be had"),
        (lambda new: _with(new, size=Bytes(1 << 63)), "a size of 8192Pi cannot be had"),
        (lambda new: _with(new, size=Bytes(10)), "a size of 10 holds no file system; write a unit, as in 10Gi"),
        (lambda new: dataclasses.replace(new, working_directory="rel"), "'rel' is no absolute path; write it as /home"),
        (lambda new: dataclasses.replace(new, environment={"A B": "c"}), "'A B' is no name of an environment variable"),
        (lambda new: dataclasses.replace(new, environment={"ROKCSI_RUN": "c"}), "are set by the run itself"),
        (lambda new: dataclasses.replace(new, environment={"A": "\0"}), "'A' has a NUL character"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_is_made(
    world: World, cluster: MemoryCluster, folders: Path, change: object, complaint: str
) -> None:
    assert callable(change)
    with pytest.raises(InvalidRequest, match=complaint):
        notebook.create(world, change(new_notebook(folders)))
    assert cluster.left() == set()
    assert world.catalog.tasks.list() == []


@pytest.mark.parametrize("part", ["", "work", "work/deep"])
def test_a_folder_that_holds_the_volumes_is_never_copied_into_one(world: World, folders: Path, part: str) -> None:
    holding = dataclasses.replace(world, home=folders / "work" / part / "home")
    with pytest.raises(InvalidRequest, match="the volumes themselves lie in"):
        notebook.create(holding, new_notebook(folders))
    assert world.catalog.tasks.list() == []
    notebook.create(dataclasses.replace(world, home=folders / "elsewhere"), new_notebook(folders))


def test_a_taken_name_is_refused_and_its_owner_stays(
    world: World, cluster: MemoryCluster, lab: Notebook, folders: Path
) -> None:
    before = cluster.left()
    with pytest.raises(RecordExists, match="there is a notebook 'lab' already"):
        notebook.create(world, new_notebook(folders))
    version = of_notebook(world, "lab")
    with pytest.raises(RecordExists):
        restore(world, version.id, "lab")
    assert cluster.left() == before | {version.cut_name}


def test_a_claim_of_somebody_else_is_never_taken_over(world: World, cluster: MemoryCluster, folders: Path) -> None:
    from rokcsi.model.cluster import NewClaim  # noqa: PLC0415 - needed here only

    cluster.create_claim(NewClaim("lab-data", Bytes(1 << 30)))
    with pytest.raises(RecordExists, match="there is a claim 'lab-data' already"):
        notebook.create(world, new_notebook(folders))
    assert cluster.left() == {"lab-data"}


def test_a_deleted_notebook_leaves_its_checkpoints(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    version = of_notebook(world, lab.name, Words("a title", "a message", "somebody"))
    notebook.delete(world, lab.name)
    assert cluster.left() == {version.cut_name}
    assert (version.title, version.message, version.author) == ("a title", "a message", "somebody")
    again = restore(world, version.id, "again")
    assert (cluster.folder(again.volumes[1].claim) / "numbers").read_text() == "1 2 3\n"
    with pytest.raises(RecordNotFound):
        notebook.delete(world, lab.name)


def test_one_member_can_be_restored_alone_by_its_url(world: World, cluster: MemoryCluster, lab: Notebook) -> None:
    from rokcsi.model.origin import Origin  # noqa: PLC0415 - needed here only

    version = of_notebook(world, lab.name)
    url = str(Origin.of_member(version, version.members[1], host="rok.example.org"))
    alone = restore(world, url, "alone")
    assert [volume.name for volume in alone.volumes] == ["data"]
    assert alone.working_directory is None
    assert stat.S_ISREG((cluster.folder("alone-data") / "numbers").stat().st_mode)
    with pytest.raises(RecordNotFound, match="is filed under notebooks/lab, not under notebooks/lab_other"):
        restore(world, url.replace("lab_data", "lab_other"), "wrong")


def test_versions_of_a_notebook_know_their_parents(world: World, lab: Notebook) -> None:
    first, second = (of_notebook(world, lab.name) for _ in range(2))
    opened = restore(world, first.id, "opened")
    third = of_notebook(world, opened.name)
    assert (first.parent, second.parent, third.parent) == (None, first.id, first.id)
