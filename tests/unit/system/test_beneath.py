from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, StillInUse
from rokcsi.system import beneath
from rokcsi.system.beneath import TargetRoots


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    (tmp_path / "outside").mkdir()
    return made


@pytest.fixture(params=["openat2", "walk"])
def roots(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TargetRoots:
    if request.param == "walk":
        # The kernel below cannot be exchanged: only its answer can.
        monkeypatch.setattr(beneath, "_openat2", _not_there)
    return TargetRoots([root])


def _not_there(path: str) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)


def test_a_folder_is_made_with_its_parents_and_used_again(roots: TargetRoots, root: Path) -> None:
    for _ in range(2):
        with roots.folder(root / "a/b/c") as fd:
            assert Path(f"/proc/self/fd/{fd}").resolve() == root / "a/b/c"
    roots.remove(root / "a/b/c")
    roots.remove(root / "a/b/c")
    roots.remove(root / "x/y")
    assert (root / "a/b").is_dir()
    assert not (root / "a/b/c").exists()


def test_no_descriptor_is_left_open(roots: TargetRoots, root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (root / "link").symlink_to("/")
    with roots.folder(root / "a/b"), roots.file(root / "a/f"):
        pass
    for path in ("link/x", "missing/x", "a/f/x"):
        with roots.opened(root / "a"), pytest.raises((InvalidRequest, StillInUse)), roots.folder(root / path):
            raise StillInUse
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("below", ["link", "link/x", "link/x/y", "a/link", "a/link/x", "a/dangling", "a/up/outside"])
def test_a_symbolic_link_is_never_followed(roots: TargetRoots, root: Path, below: str) -> None:
    (root / "a").mkdir()
    outside = root.parent / "outside"
    (root / "link").symlink_to(outside)
    (root / "a/link").symlink_to(outside)
    (root / "a/dangling").symlink_to("nothing")
    (root / "a/up").symlink_to("../..")
    path = roots.checked(root / below)
    for way in (roots.folder, roots.file):
        with pytest.raises(InvalidRequest, match="symbolic link"), way(path):
            pytest.fail("a link was followed")
    with pytest.raises(InvalidRequest, match="symbolic link"), roots.opened(path):
        pytest.fail("a link was followed")
    assert list(outside.iterdir()) == []


def test_a_link_is_not_removed(roots: TargetRoots, root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    with pytest.raises(StillInUse):
        roots.remove(root / "link")
    assert (root / "link").is_symlink()
    assert (root.parent / "outside").is_dir()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "absolute"),
        ("a/b", "absolute"),
        ("{}/../outside", r"'\.\.'"),
        ("{}/a/..", r"'\.\.'"),
        ("{}/a\0b", "NUL"),
        ("{}/a\nb", "newline"),
        ("{}/a\x7fb", "control"),
        ("{}/" + "a" * 256, "too long"),
        ("{}/" + "a/" * 2100, "too long"),
        ("{}/" + "ü" * 128, "too long"),
        ("{}", "not beneath"),
        ("{}/", "not beneath"),
        ("/", "not beneath"),
        ("{}-beside/a", "not beneath"),
        ("/etc/passwd", "not beneath"),
    ],
)
def test_bad_text_is_refused_with_the_reason(root: Path, path: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        TargetRoots([root]).checked(path.format(root))


@pytest.mark.parametrize("path", ["{}/a", "{}//a/./b/", "{}/ü \\040 😀", "{}/" + "a" * 255, "{}/..a/b..", "{}/-rf"])
def test_any_other_text_may_be_a_target(root: Path, path: str) -> None:
    roots = TargetRoots([root])
    checked = roots.checked(path.format(root))
    with roots.folder(checked):
        assert checked.is_dir()


def test_a_root_may_be_a_link_and_is_resolved_once(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    roots = TargetRoots([link])
    assert roots.checked(link / "a") == roots.checked(root / "a") == root / "a"
    link.unlink()
    link.symlink_to("outside")
    with roots.folder(roots.checked(link / "a")):
        assert (root / "a").is_dir()


def test_there_may_be_several_roots_or_none(root: Path) -> None:
    outside = root.parent / "outside"
    roots = TargetRoots([root, outside])
    for path in (root / "a", outside / "a"):
        with roots.folder(roots.checked(path)):
            assert path.is_dir()
    with TargetRoots().folder(TargetRoots().checked(outside / "b")):
        assert (outside / "b").is_dir()
    with pytest.raises(InvalidRequest, match="absolute"):
        TargetRoots([Path("relative")])


def test_what_holds_something_is_no_target_and_is_not_removed(roots: TargetRoots, root: Path) -> None:
    (root / "full").mkdir()
    (root / "full/file").write_text("x")
    (root / "empty").touch()
    for path, way in ((root / "full", roots.folder), (root / "full/file", roots.file), (root / "empty", roots.folder)):
        with pytest.raises(InvalidRequest), way(path):
            pytest.fail("it was accepted")
    with pytest.raises(InvalidRequest), roots.file(root / "full"):
        pytest.fail("it was accepted")
    for path in (root / "full", root / "full/file"):
        with pytest.raises(StillInUse):
            roots.remove(path)
    roots.remove(root / "empty")
    assert (root / "full/file").read_text() == "x"
    assert not (root / "empty").exists()


@pytest.mark.parametrize("way", [os.mkdir, Path.touch])
def test_a_link_swapped_in_later_redirects_nothing(root: Path, way: Callable[[Path], None]) -> None:
    roots = TargetRoots([root])
    (root / "a").mkdir()
    with roots.folder(root / "a/target") as fd:
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(root.parent / "outside")
        way(Path(f"/proc/self/fd/{fd}/made"))
    assert (root / "moved/target/made").exists()
    assert not (root.parent / "outside/made").exists()


def test_a_root_that_is_missing_is_named_and_not_made(tmp_path: Path) -> None:
    missing = TargetRoots([tmp_path / "no" / "root"])
    for target in ("a", "a/b"):
        refused = pytest.raises(StillInUse, match=r"root .*/no/root does not exist.*--target-root")
        with refused, missing.folder(tmp_path / "no" / "root" / target):
            pytest.fail("there was nothing to open")
    assert not (tmp_path / "no").exists()
    (tmp_path / "no" / "root").mkdir(parents=True)
    with missing.file(tmp_path / "no" / "root" / "a"):
        pass
