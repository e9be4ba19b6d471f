"""Rosters in a setting and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rokcsi.model.errors import InvalidRequest, RosterAway, StillInUse
from rokcsi.model.ids import PoolId
from rokcsi.model.roster import ForgetsNodes, NodeAddress
from rokcsi.switchboard.written_roster import FileRoster, StaticRoster

A, B = NodeAddress("10.0.0.1:9811", "worker-1"), NodeAddress("10.0.0.2:9811")


def write(path: Path, text: str) -> FileRoster:
    path.write_text(text)
    return FileRoster(path)


def test_a_setting_lists_addresses() -> None:
    roster = StaticRoster("10.0.0.1:9811, [::1]:9811")
    assert set(roster.addresses()) == {NodeAddress("10.0.0.1:9811"), NodeAddress("[::1]:9811")}
    assert list(roster.forgotten()) == []
    assert not isinstance(roster, ForgetsNodes)


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:x", "a:1,,b:1"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="HOST:PORT"):
        StaticRoster(text)


def test_a_file_lists_nodes_and_forgotten_pools(tmp_path: Path) -> None:
    pool = PoolId.fresh()
    roster = write(
        tmp_path / "nodes", f"# ours\nnode 10.0.0.1:9811 worker-1  # old\n\nnode 10.0.0.2:9811\nforgotten {pool}\n"
    )
    assert set(roster.addresses()) == {A, B}
    assert set(roster.forgotten()) == {pool}


def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path: Path) -> None:
    roster = write(tmp_path / "nodes", "node 10.0.0.2:9811\n")
    first = roster.addresses()
    assert roster.addresses() is first
    with (tmp_path / "nodes").open("a") as file:
        file.write("# nothing new\n")
    assert roster.addresses() is first
    with (tmp_path / "nodes").open("a") as file:
        file.write("node 10.0.0.1:9811 worker-1\n")
    assert set(roster.addresses()) == {A, B}


@pytest.mark.parametrize("line", ["node", "node nowhere", "node a:1 b c", "forgotten x", "something else"])
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    roster = write(tmp_path / "nodes", f"node 10.0.0.2:9811\n{line}\n")
    with pytest.raises(RosterAway, match="line 2"):
        roster.addresses()


def test_a_file_that_is_missing_is_a_roster_that_is_away(tmp_path: Path) -> None:
    roster = FileRoster(tmp_path / "nodes")
    for ask in (roster.addresses, roster.forgotten):
        with pytest.raises(RosterAway, match="cannot be read"):
            ask()


def test_forgetting_appends_to_the_file_once(tmp_path: Path) -> None:
    roster = write(tmp_path / "nodes", "# ours\nnode 10.0.0.2:9811\n")
    pool = PoolId.fresh()
    for _ in range(2):
        roster.forget("worker-9", [pool])
    assert (tmp_path / "nodes").read_text() == f"# ours\nnode 10.0.0.2:9811\nforgotten {pool}\n"
    assert set(roster.forgotten()) == {pool}
    assert list(roster.pools_of("worker-9")) == []


def test_a_file_whose_last_line_is_not_ended_stays_right_when_a_pool_is_forgotten(tmp_path: Path) -> None:
    roster = write(tmp_path / "nodes", "node 10.0.0.2:9811 worker-2")
    pool = PoolId.fresh()
    roster.forget("worker-9", [pool])
    assert [each.machine for each in roster.addresses()] == ["worker-2"]
    assert set(roster.forgotten()) == {pool}


@pytest.mark.parametrize("name", ["worker-1", "10.0.0.1:9811"])
def test_a_node_that_is_listed_cannot_be_forgotten(tmp_path: Path, name: str) -> None:
    roster = write(tmp_path / "nodes", "node 10.0.0.1:9811 worker-1\n")
    with pytest.raises(StillInUse, match="take it out first"):
        roster.forget(name, [PoolId.fresh()])
    assert list(roster.forgotten()) == []
