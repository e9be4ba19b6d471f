"""The certificates that the how-to makes by hand are the ones that the roles want."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from rokcsi.model.roster import NodeAddress
from rokcsi.pools.memory import MemoryPool
from rokcsi.switchboard.dialling import Dialling
from rokcsi.switchboard.directory import Directory
from tests.fakes.certificates import CertificateFiles
from tests.fakes.switchboards import CONTROLLER, DRIVER, NODES, FakeNode, MemoryRoster

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "serve-a-cluster.md"

pytestmark = pytest.mark.timeout(60)


def test_the_pages_certificates_let_the_switchboard_in(tmp_path: Path) -> None:
    commands = [line for line in PAGE.read_text().splitlines() if line.startswith("openssl ")]
    assert len(commands) == 5
    for command in commands:
        subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True, timeout=30)
    files = {
        name: CertificateFiles(tmp_path / f"{name}.crt", tmp_path / f"{name}.key", tmp_path / "ca.crt")
        for name in (NODES, CONTROLLER)
    }
    node, roster = FakeNode("worker-1", MemoryPool(tmp_path), files[NODES]), MemoryRoster()
    try:
        roster.nodes = frozenset({NodeAddress(node.come())})
        directory = Directory(roster, Dialling(files[CONTROLLER].read(), NODES, DRIVER, 4), 4)
        assert [route.pool for route in directory.answering()] == [node.pool.id]
        directory.close()
    finally:
        node.leave()
