"""Catalogues of which not everything can be read: refused as a whole, left as they are, and no other with them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rokcsi.catalog.namespaces import NamespaceCatalogs
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import CatalogUnreadable
from tests.unit.catalog.conftest import run, version

PAGE = 4096


def written(folder: Path) -> Path:
    """Have a catalogue of some pages."""
    shelves = NamespaceCatalogs(folder)
    for minute in range(40):
        shelves.of("team-a").versions.add(version(minute))
    shelves.of("team-a").runs.add(run())
    shelves.close()
    return folder / "team-a.sqlite"


def changed(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement)
        connection.close()

    return change


def overwritten(path: Path) -> None:
    """Write over the middle of it, as a disk would that has lost some blocks."""
    content = bytearray(path.read_bytes())
    middle = len(content) // PAGE // 2 * PAGE
    content[middle : middle + 4 * PAGE] = b"\xff" * 4 * PAGE
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda path: path.write_bytes(b"something else altogether" * 99), "not a database"),
        (overwritten, "damaged|malformed"),
        (cut_off, "damaged|malformed"),
        (changed("UPDATE alembic_version SET version_num = '9999'"), "newer rokcsi"),
        (changed("UPDATE versions SET state = 'dreamt' WHERE number = 7"), "cannot read: 'dreamt'"),
        (changed("UPDATE versions SET claims = '{' WHERE number = 7"), "cannot read"),
        (changed("UPDATE attempts SET mounts = '[{}]'"), "cannot read"),
        (changed("DROP TABLE members"), "no such table"),
        (changed("DELETE FROM sqlite_schema WHERE name LIKE 'ix_versions_cut%'"), "damaged|malformed"),
    ],
)
def test_it_is_refused_with_its_namespace_and_left_as_it_is(
    tmp_path: Path, harm: Callable[[Path], object], why: str
) -> None:
    path = written(tmp_path)
    harm(path)
    content = path.read_bytes()
    shelves = NamespaceCatalogs(tmp_path)
    for _ in range(2):
        with pytest.raises(CatalogUnreadable, match=f"namespace team-a.*({why})"):
            shelves.of("team-a")
    shelves.of("team-b").versions.add(version())
    shelves.close()
    assert path.read_bytes() == content
    assert shelves.namespaces() == ["team-a", "team-b"]


def test_what_a_killed_timeline_has_left_beside_the_file_is_read_with_it(tmp_path: Path) -> None:
    """SQLite's log of what is written yet; its index is made anew."""
    shelves = NamespaceCatalogs(tmp_path / "killed")
    shelves.of("team-a").versions.add(version())
    (tmp_path / "left ?%41#").mkdir()
    for name in ("team-a.sqlite", "team-a.sqlite-wal"):
        shutil.copy(tmp_path / "killed" / name, tmp_path / "left ?%41#" / name)
    shelves.close()
    found = NamespaceCatalogs(tmp_path / "left ?%41#")
    assert len(found.of("team-a").versions.list(VersionFilter())) == 1
    found.close()


def test_one_of_an_older_schema_that_is_damaged_is_not_upgraded(tmp_path: Path) -> None:
    path = written(tmp_path)
    changed("UPDATE alembic_version SET version_num = '0002'")(path)
    overwritten(path)
    content = path.read_bytes()
    with pytest.raises(CatalogUnreadable):
        NamespaceCatalogs(tmp_path).of("team-a")
    assert path.read_bytes() == content


def test_it_is_read_again_once_it_was_put_back(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    overwritten(path)
    shelves = NamespaceCatalogs(tmp_path)
    with pytest.raises(CatalogUnreadable):
        shelves.of("team-a")
    path.write_bytes(whole)
    assert len(shelves.of("team-a").versions.list(VersionFilter())) == 40
    shelves.close()


def test_one_that_is_damaged_while_it_is_open_is_refused_from_then_on(tmp_path: Path) -> None:
    path = written(tmp_path)
    shelves = NamespaceCatalogs(tmp_path)
    catalog = shelves.of("team-a")
    changed("UPDATE versions SET title = 'other' WHERE number = 1")(path)  # SQLite remembers pages while nobody writes
    content = bytearray(path.read_bytes())
    content[PAGE:] = b"\xff" * (len(content) - PAGE)
    path.write_bytes(content)
    with pytest.raises(CatalogUnreadable):
        catalog.versions.list(VersionFilter())
    with pytest.raises(CatalogUnreadable, match="namespace team-a"):
        shelves.of("team-a")
    shelves.close()
