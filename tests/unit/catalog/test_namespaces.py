"""Catalogues of namespaces: apart from each other, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import InvalidRequest, RecordNotFound, SystemCallFailed
from tests.unit.catalog.conftest import version


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


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "A", "a_b", "-a", "a" * 64, "a\0", "a\n"])
def test_what_is_no_namespace_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    shelves = NamespaceCatalogs(tmp_path / "catalogs")
    with pytest.raises(InvalidRequest):
        shelves.of(name)
    assert not list((tmp_path / "catalogs").iterdir())


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemCallFailed, match="cannot be made"):
        NamespaceCatalogs(tmp_path / "file" / "catalogs")
