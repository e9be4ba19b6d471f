"""`rokctl catalog rebuild`: what it shows, and what it says when there is nothing to do."""

from __future__ import annotations

from rokcsi.model.catalog import VersionFilter
from rokcsi.sdk import Session
from tests.fakes.memory_cluster import MemoryCluster
from tests.unit.cli.conftest import Rokctl


def test_what_was_lost_is_shown_first_and_added_when_told_to(rokctl: Rokctl, notebook: str, session: Session) -> None:
    rokctl("checkpoint", notebook, "--title", "as it was")
    (version,) = session.checkpoints()
    session._world.catalog.versions.remove(version.id)
    session._world.catalog.notebooks.remove(notebook)

    shown = rokctl("catalog", "rebuild")
    assert f"{version.id[:8]}   lab      manual   " in shown.stdout
    assert "as it was" in shown.stdout
    assert shown.stderr == "nothing was added yet; `rokctl catalog rebuild --add` adds 1 checkpoint, 1 notebook\n"
    assert session.checkpoints() == []

    assert rokctl("catalog", "rebuild", "--add").stdout.endswith("\nadded 1 checkpoint, 1 notebook\n")
    (found,) = session.checkpoints()
    assert (found.id, found.members, found.title) == (version.id, version.members, "as it was")
    assert session.notebook(notebook).volumes

    for words in (["catalog", "rebuild"], ["catalog", "rebuild", "--add"]):
        again = rokctl(*words)
        assert (again.stdout, again.stderr) == ("", "the catalogue knows every checkpoint that the pool tells of\n")


def test_what_cannot_be_read_is_named_with_the_reason(
    rokctl: Rokctl, notebook: str, session: Session, cluster: MemoryCluster
) -> None:
    cluster.label_bytes = 110
    version = session.checkpoint(notebook)
    session._world.catalog.versions.remove(version.id)
    shown = rokctl("catalog", "rebuild").stdout
    assert "NOT TO BE READ" in shown
    assert "the pool had no room for rok/filed" in shown
    assert session._world.catalog.versions.list(VersionFilter(state=None)) == []
