"""The commit of a workspace, from honest repositories and from hostile ones."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from rokcsi.model.errors import ToolFailed
from rokcsi.model.history import Commit
from rokcsi.pipeline.git_commits import GitCommits
from rokcsi.system.command import Completed, HostRunner


def _git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A. Writer", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    root.mkdir()
    _git(root, "init", "-q")
    (root / "train.py").write_text("print(1)\n")
    _git(root, "add", ".")
    _git(root, "commit", "-q", "-m", "Train on digits\n\nWith all of them.")
    return root


def _read(workspace: Path, inside: str = "") -> Commit | None:
    return GitCommits(HostRunner())(workspace, workspace / inside)


def test_a_commit_is_read_with_its_title_message_and_author(workspace: Path) -> None:
    commit = _read(workspace)
    assert commit == Commit(
        _git(workspace, "rev-parse", "HEAD"),
        "Train on digits",
        "Train on digits\n\nWith all of them.",
        "A. Writer <a@example.org>",
        modified=False,
    )


def test_a_changed_file_is_seen(workspace: Path) -> None:
    (workspace / "train.py").write_text("print(2)\n")
    commit = _read(workspace)
    assert commit is not None
    assert commit.modified is True


def test_a_commit_is_found_in_packs_on_detached_heads_and_from_folders_below(workspace: Path) -> None:
    expected = _git(workspace, "rev-parse", "HEAD")
    _git(workspace, "gc", "-q")
    _git(workspace, "pack-refs", "--all")
    packed = _read(workspace)
    (workspace / "code" / "deep").mkdir(parents=True)
    below = _read(workspace, "code/deep")
    _git(workspace, "checkout", "-q", "--detach")
    detached = _read(workspace)
    assert [commit and (commit.id, commit.title) for commit in (packed, below, detached)] == [
        (expected, "Train on digits")
    ] * 3


def test_a_copied_workspace_is_not_taken_for_a_changed_one(workspace: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", workspace, copy], check=True, timeout=30)
    commit = _read(copy)
    assert commit is not None
    assert commit.modified is False


def test_a_repository_in_a_folder_of_the_workspace_is_found_by_the_working_directory(
    workspace: Path, tmp_path: Path
) -> None:
    commit = GitCommits(HostRunner())(tmp_path, workspace)
    assert commit is not None
    assert GitCommits(HostRunner())(tmp_path, tmp_path) is None


def test_no_repository_and_no_commit_are_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path) is None
    _git(tmp_path, "init", "-q")
    assert _read(tmp_path) is None


def test_a_repository_above_the_workspace_is_not_looked_at(workspace: Path) -> None:
    (workspace / "volume").mkdir()
    assert _read(workspace / "volume") is None


class _WithoutGit:
    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        raise ToolFailed(f"the program {argv[0]!r} is not installed here")


def test_without_git_the_id_is_known_alone(workspace: Path) -> None:
    expected = _git(workspace, "rev-parse", "HEAD")
    assert GitCommits(_WithoutGit())(workspace, workspace) == Commit(expected)


def test_a_hostile_repository_cannot_run_anything(workspace: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {proof}\ncat\n")
    trap.chmod(0o755)
    (workspace / ".gitattributes").write_text("* filter=trap diff=trap\n")
    settings = {
        "core.fsmonitor": str(trap),
        "core.hooksPath": str(tmp_path),
        "core.pager": str(trap),
        "core.sshCommand": str(trap),
        "filter.trap.clean": str(trap),
        "filter.trap.smudge": str(trap),
        "filter.trap.process": str(trap),
        "diff.trap.textconv": str(trap),
        "diff.external": str(trap),
        "log.showSignature": "true",
        "gpg.program": str(trap),
        "alias.status": f"!{trap}",
        "alias.cat-file": f"!{trap}",
        "remote.origin.url": f"ext::{trap}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "origin",
        "include.path": str(tmp_path / "more"),
    }
    for name, value in settings.items():
        with (workspace / ".git" / "config").open("a") as config:
            section, _, key = name.rpartition(".")
            first, _, rest = section.partition(".")
            config.write(f'[{first} "{rest}"]\n\t{key} = "{value}"\n' if rest else f'[{first}]\n\t{key} = "{value}"\n')
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout"):
        (workspace / ".git" / "hooks").mkdir(exist_ok=True)
        (workspace / ".git" / "hooks" / hook).symlink_to(trap)
    (workspace / "train.py").write_text("print(3)\n")
    index = (workspace / ".git" / "index").read_bytes()

    commit = _read(workspace)
    assert commit is not None
    assert commit.title == "Train on digits"
    assert commit.modified is True
    assert not proof.exists()
    assert (workspace / ".git" / "index").read_bytes() == index


@pytest.mark.parametrize(
    "head", ["ref: ../../../etc/passwd", "ref: refs/heads/../../config", "zz", "", "x" * 9000, "\0"]
)
def test_a_strange_head_is_nothing(workspace: Path, head: str) -> None:
    (workspace / ".git" / "HEAD").write_text(head)
    assert _read(workspace) is None


def test_links_out_of_the_workspace_are_not_followed(workspace: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (workspace / ".git").rename(elsewhere)
    (workspace / ".git").symlink_to(elsewhere)
    assert _read(workspace) is None
    (workspace / ".git").unlink()
    (workspace / ".git").mkdir()
    (workspace / ".git" / "objects").symlink_to(elsewhere / "objects")
    (workspace / ".git" / "HEAD").symlink_to(elsewhere / "HEAD")
    assert _read(workspace) is None


def test_a_named_pipe_in_place_of_head_does_not_hold_us_up(workspace: Path) -> None:
    (workspace / ".git" / "HEAD").unlink()
    os.mkfifo(workspace / ".git" / "HEAD")
    assert _read(workspace) is None
