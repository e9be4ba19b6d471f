"""Files: made with the right mode, upgraded at opening, refused when they are something else, shared by processes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from rokcsi.catalog.opening import open_catalog
from rokcsi.catalog.schema import HEAD, metadata
from rokcsi.model.catalog import VersionFilter
from rokcsi.model.errors import Damaged, LockTimeout, NotSupported, RokcsiError, SystemCallFailed
from tests.unit.catalog.conftest import version

MIGRATIONS = Path(__file__).parents[3] / "rokcsi" / "catalog" / "migrations"


def test_the_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    open_catalog(tmp_path / "catalog.sqlite").close()
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.sqlite")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_a_catalogue_of_an_older_schema_is_brought_up_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = open_catalog(path)
    catalog.versions.add(version(late=False))
    catalog.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE versions DROP COLUMN late")
        connection.execute("ALTER TABLE attempts DROP COLUMN pod_uid")
        for table in ("versions", "attempts"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN template")
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    catalog = open_catalog(path)
    [kept] = catalog.versions.list(VersionFilter())
    assert not kept.late
    assert kept.reason.template is None
    catalog.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        catalog = open_catalog(tmp_path / "home" / "catalog.sqlite")
    finally:
        os.umask(before)
    catalog.versions.add(version())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
    catalog.close()
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_what_was_kept_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    kept = version()
    first = open_catalog(tmp_path / "catalog.sqlite")
    first.versions.add(kept)
    first.close()
    second = open_catalog(tmp_path / "catalog.sqlite")
    assert second.versions.list(VersionFilter()) == [kept]
    second.close()


def test_opening_a_present_catalogue_does_without_the_migrations_library(tmp_path: Path) -> None:
    open_catalog(tmp_path / "catalog.sqlite").close()
    script = (
        "import sys; from pathlib import Path; from rokcsi.catalog.opening import open_catalog\n"
        "open_catalog(Path(sys.argv[1])).versions.sharing('x'); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "catalog.sqlite"], check=True, timeout=60)


def test_a_newer_catalogue_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    open_catalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NotSupported, match=r"newer rokcsi \(schema 9999, known here up to"):
        open_catalog(path)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at", b"\0" * 8192])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(content)
    with pytest.raises(RokcsiError):
        open_catalog(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(Damaged, match="a database of something else"):
        open_catalog(path)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemCallFailed, match="cannot be opened: Is a directory"):
        open_catalog(tmp_path)


def test_a_catalogue_that_is_held_too_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rokcsi.catalog.database._BUSY_SECONDS", 0.2)
    catalog = open_catalog(tmp_path / "catalog.sqlite")
    holder = sqlite3.connect(tmp_path / "catalog.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert catalog.versions.list(VersionFilter()) == []
    with pytest.raises(LockTimeout, match="another process holds the catalogue"):
        catalog.versions.add(version())
    holder.execute("ROLLBACK")
    holder.close()
    catalog.versions.add(version())
    catalog.close()


def _write(path: Path, count: int) -> None:
    catalog = open_catalog(path)
    for number in range(count):
        kept = version(number)
        catalog.versions.add(kept)
        catalog.versions.save(kept)
    catalog.close()


def test_several_processes_may_open_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    spawning = multiprocessing.get_context("spawn")
    writers = [spawning.Process(target=_write, args=(path, 20)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(90)
    assert [writer.exitcode for writer in writers] == [0] * 4
    catalog = open_catalog(path)
    assert len(catalog.versions.list(VersionFilter())) == 80
    catalog.close()
