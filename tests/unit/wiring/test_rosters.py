"""Which roster a setting names, and how nodes are forgotten by name or by pool."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rokcsi.cli.rokctl import app
from rokcsi.model.errors import InvalidRequest, NotSupported, RecordNotFound, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.switchboard.written_roster import FileRoster, StaticRoster
from rokcsi.wiring.rosters import forget_node, open_roster

POOL = PoolId("ab" * 16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nodes"
    path.write_text("node 10.0.0.1:9811 worker-1\n")
    return path


def test_a_setting_names_its_roster(file: Path) -> None:
    assert isinstance(open_roster("static:10.0.0.1:9811", "rokcsi.dev"), StaticRoster)
    assert isinstance(open_roster(f"file:{file}", "rokcsi.dev"), FileRoster)
    with pytest.raises(InvalidRequest, match="not by nonsense"):
        open_roster("nonsense:x", "rokcsi.dev")


def test_without_a_cluster_to_reach_kubernetes_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(InvalidRequest, match="set KUBECONFIG"):
        open_roster("kubernetes:rok/rokcsi-nodes", "rokcsi.dev")


def test_a_pool_is_forgotten_by_its_id_and_a_name_that_nobody_knows_is_not(file: Path) -> None:
    assert list(forget_node(f"file:{file}", "rokcsi.dev", POOL)) == [POOL]
    assert f"forgotten {POOL}" in file.read_text()
    with pytest.raises(RecordNotFound, match="name the pool instead"):
        forget_node(f"file:{file}", "rokcsi.dev", "worker-9")


def test_addresses_in_a_setting_cannot_be_forgotten() -> None:
    with pytest.raises(NotSupported, match="use file: or kubernetes:"):
        forget_node("static:10.0.0.1:9811", "rokcsi.dev", POOL)


def test_a_node_that_is_there_is_refused(file: Path) -> None:
    with pytest.raises(StillInUse):
        FileRoster(file).forget("worker-1", [POOL])


def test_the_command_tells_which_pools_count_as_gone(file: Path) -> None:
    done = CliRunner().invoke(app, ["node", "forget", POOL, "--nodes", f"file:{file}", "--yes"])
    assert (done.exit_code, done.output) == (0, f"pool/{POOL} forgotten\n")


def test_the_command_asks_where_the_nodes_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rokcsi.config.reading.DEFAULT_FILE", tmp_path / "none.toml")
    done = CliRunner().invoke(app, ["node", "forget", POOL])
    assert done.exit_code == 2
    assert "--nodes" in done.output
