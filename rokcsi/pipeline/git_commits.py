"""Reads which commit a workspace's git repository has checked out; the repository may be hostile.

Git never sees the repository's own configuration, hooks or attributes' filters: it is given
an empty repository of ours as its GIT_DIR, and of the workspace only the objects, the index
and the files. HEAD and refs are small text files, read here.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import RokcsiError
from rokcsi.model.history import Commit
from rokcsi.system.command import Runner

_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/[A-Za-z0-9._/@+-]{1,200}")
_SMALL, _LARGEST = 4096, 16 << 20
_LONGEST_MESSAGE = 16384
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class GitCommits:
    """Gives the commit of a workspace; fits `World.commit_of`."""

    runner: Runner

    def __call__(self, workspace: Path, working_directory: Path) -> Commit | None:
        """Look in the working directory and above, up to the workspace; None where there is no commit to be read.

        Without git on this machine the commit's id is given alone.
        """
        root = workspace.resolve()
        tree = _working_tree(root, working_directory.resolve())
        if tree is None:
            return None
        commit = _head(tree)
        if commit is None or not _inside(tree / ".git" / "objects", root):
            return None
        try:
            return self._read(tree, commit)
        except RokcsiError:
            return Commit(commit)

    def _read(self, tree: Path, id: str) -> Commit:
        with _empty_repository(id) as ours:
            git = _git(tree, ours)
            shown = self.runner.run([*git, "cat-file", "commit", id], timeout_seconds=_TIMEOUT_SECONDS).stdout
            commit = _parsed(id, shown)
            return Commit(id, commit.title, commit.message, commit.author, self._modified(git, tree))

    def _modified(self, git: list[str], tree: Path) -> bool | None:
        """Tell whether tracked files differ from the commit; None where that cannot be told in time."""
        index = tree / ".git" / "index"
        if not _inside(index, tree) or not _is_file(index):
            return None
        status = [*git, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", "--no-renames"]
        try:
            return bool(self.runner.run(status, timeout_seconds=_TIMEOUT_SECONDS).stdout.strip())
        except RokcsiError:
            return None


def _git(tree: Path, ours: Path) -> list[str]:
    """Give the beginning of a git command that reads the workspace without obeying it."""
    theirs = tree / ".git"
    variables = {
        "GIT_DIR": ours,
        "GIT_WORK_TREE": tree,
        "GIT_OBJECT_DIRECTORY": theirs / "objects",
        "GIT_INDEX_FILE": theirs / "index",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
    }
    settings = [
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "core.attributesFile=/dev/null",
        "log.showSignature=false",
    ]
    words = ["env", "-C", str(tree), *(f"{name}={value}" for name, value in variables.items()), "git"]
    return [*words, "--no-pager", *(word for setting in settings for word in ("-c", setting))]


@contextmanager
def _empty_repository(id: str) -> Iterator[Path]:
    """Give a repository that holds nothing but a HEAD."""
    with tempfile.TemporaryDirectory(prefix="rokcsi-git-") as folder:
        ours = Path(folder)
        (ours / "objects").mkdir()
        (ours / "refs").mkdir()
        (ours / "HEAD").write_text(f"{id}\n", encoding="ascii")
        kind = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
        (ours / "config").write_text(kind if len(id) == len("0" * 64) else "", encoding="ascii")
        yield ours


def _working_tree(root: Path, folder: Path) -> Path | None:
    """Give the folder that holds `.git`, between the working directory and the workspace's root."""
    if not folder.is_relative_to(root):
        folder = root
    for candidate in (folder, *folder.parents):
        git = candidate / ".git"
        if git.is_dir() and not git.is_symlink():
            return candidate
        if candidate == root:
            return None
    return None


def _head(tree: Path) -> str | None:
    """Give the commit's id that HEAD names, directly or by a branch."""
    git = tree / ".git"
    head = _small_text(git / "HEAD", tree)
    if head.startswith("ref: "):
        ref = head.removeprefix("ref: ").strip()
        if _REF.fullmatch(ref) is None or ".." in ref:
            return None
        head = _small_text(git / ref, tree) or _packed(git, ref, tree)
    commit = head.strip()
    return commit if _COMMIT_ID.fullmatch(commit) else None


def _packed(git: Path, ref: str, tree: Path) -> str:
    for line in _small_text(git / "packed-refs", tree, limit=_LARGEST).splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return ""


def _small_text(path: Path, tree: Path, limit: int = _SMALL) -> str:
    """Read a plain file within the tree; nothing where it is anything else."""
    if not _inside(path, tree):
        return ""
    try:
        # O_NONBLOCK: a named pipe in its place must not hold us up.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(file, "rb") as opened:  # noqa: PTH123 - of a descriptor
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return opened.read(limit).decode(errors="replace")


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # RuntimeError: a loop of symbolic links
        return False


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _parsed(id: str, text: str) -> Commit:
    """Read a commit object as `git cat-file` prints it: headers, an empty line, the message."""
    headers, _, message = text.partition("\n\n")
    authors = [line.removeprefix("author ") for line in headers.splitlines() if line.startswith("author ")]
    author = re.sub(r"> -?[0-9]+ [+-][0-9]{4}$", ">", authors[0]) if authors else ""
    message = message.strip().replace("\0", "�")[:_LONGEST_MESSAGE]
    return Commit(id, message.partition("\n")[0], message, author)
