"""Catalogues of namespaces: apart from each other, and found again."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from rokcsi.catalog import namespaces as module
from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.catalog.opening import open_whole_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import CatalogTaken, InvalidRequest, RecordNotFound, SystemCallFailed
from tests.unit.catalog.conftest import version


def open_below(folder: Path) -> set[str]:
    """Give the names of the databases in a folder that this process has open."""
    found = (link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return {path.name for path in found if folder in path.parents and path.suffix == ".sqlite"}


def test_what_one_namespace_holds_another_never_sees(tmp_path: Path) -> None:
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    filed = version()
    shelves.of("team-a").versions.add(filed)
    with pytest.raises(RecordNotFound):
        shelves.of("team-b").versions.get(filed.id)
    assert shelves.of("team-a").versions.list(VersionFilter()) == [filed]
    assert shelves.namespaces() == ["team-a", "team-b"]
    shelves.close()
    again = NamespaceCatalogs(tmp_path / "catalogs")
    assert again.of("team-a").versions.get(filed.id) == filed
    again.close()


def test_of_many_catalogues_few_are_open_and_all_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_OPEN", 2)
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    first = shelves.of("team-0")
    for number in range(4):
        shelves.of(f"team-{number}").versions.add(version())
    assert open_below(tmp_path) == {"team-2.sqlite", "team-3.sqlite"}
    [kept] = first.versions.list(VersionFilter())
    assert shelves.of("team-0").versions.get(kept.id) == kept
    shelves.close()


def test_a_catalogue_is_read_to_its_end_once_however_often_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def whole(path: Path) -> SqlCatalog:
        read.append(path.stem)
        return open_whole_catalog(path)

    monkeypatch.setattr(module, "_MOST_OPEN", 1)
    monkeypatch.setattr(module, "open_whole_catalog", whole)
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    for _ in range(3):
        for name in ("team-a", "team-b"):
            shelves.of(name).versions.list(VersionFilter())
    assert read == ["team-a", "team-b"]
    shelves.remove("team-a")
    shelves.of("team-a")
    assert read == ["team-a", "team-b", "team-a"]
    shelves.close()


def test_a_catalogue_that_is_removed_leaves_nothing_to_a_later_one_of_its_name(tmp_path: Path) -> None:
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    shelves.of("team-a").versions.add(version())
    shelves.remove("team-a")
    shelves.remove("never-there")
    assert not list((tmp_path / "catalogs").iterdir())
    assert shelves.of("team-a").versions.list(VersionFilter()) == []
    shelves.close()


def test_one_that_is_being_read_keeps_nobody_from_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def slowly(path: Path) -> SqlCatalog:
        if path.name == "team-a.sqlite":
            reading.set()
            go_on.wait(20)
        return open_whole_catalog(path)

    monkeypatch.setattr("rokcsi.catalog.namespaces.open_whole_catalog", slowly)
    shelves = NamespaceCatalogs(tmp_path)
    slow = threading.Thread(target=shelves.of, args=("team-a",))
    slow.start()
    assert reading.wait(20)
    other = threading.Thread(target=shelves.of, args=("team-b",))
    other.start()
    other.join(10)
    came_first = not other.is_alive()
    go_on.set()
    slow.join()
    shelves.close()
    assert came_first


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "A", "a_b", "-a", "a" * 64, "a\0", "a\n"])
def test_what_is_no_namespace_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    with pytest.raises(InvalidRequest):
        shelves.of(name)
    with pytest.raises(InvalidRequest):
        shelves.remove(name)
    assert not list((tmp_path / "catalogs").iterdir())


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemCallFailed, match="cannot be made"):
        NamespaceCatalogs(tmp_path / "file" / "catalogs")


def test_two_timelines_never_work_on_the_same_catalogues(tmp_path: Path) -> None:
    first, second = NamespaceCatalogs(tmp_path / "catalogs"), NamespaceCatalogs(tmp_path / "catalogs")
    with first.kept_alone(), pytest.raises(CatalogTaken, match="another timeline"), second.kept_alone(0.0):
        pytest.fail("both were let in")
    with second.kept_alone(0.0):
        assert second.namespaces() == []


def test_a_timeline_waits_for_the_one_that_it_replaces(tmp_path: Path) -> None:
    first, second = NamespaceCatalogs(tmp_path / "catalogs"), NamespaceCatalogs(tmp_path / "catalogs")
    order = []
    held = ExitStack()
    held.enter_context(first.kept_alone())

    def leave() -> None:
        order.append("the first has ended")
        held.close()

    leaving = threading.Timer(0.3, leave)
    leaving.start()
    with second.kept_alone(20.0):
        order.append("the second works")
    leaving.join()
    assert order == ["the first has ended", "the second works"]
