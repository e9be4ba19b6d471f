"""SIGKILL while a part of what was cut together is deleted: the others were promised to somebody, and stay.

No CSI call deletes a part of a group, so the pool is asked itself, in a process that dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import NewSnapshot
from rokcsi.model.volume import NewVolume
from tests.fakes.loop_file_pools import LoopFilePools

pytestmark = pytest.mark.system
DELETES = """
import sys
from pathlib import Path
from tests.fakes.loop_file_pools import LoopFilePools
pool = LoopFilePools(Path(sys.argv[1])).open()
pool.delete_snapshots([snapshot.id for snapshot in pool.snapshots() if snapshot.name == "a"])
"""


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[LoopFilePools]:
    made = LoopFilePools(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("visit", "left"),
    [
        ("loopfile.delete-snapshots.settled", ["a", "b", "c"]),
        ("loopfile.delete-snapshots.settled:2", ["a", "b", "c"]),
        ("loopfile.delete-snapshots.unlinked", ["b", "c"]),
        ("loopfile.delete-snapshots.flushed", ["b", "c"]),
    ],
)
def test_the_rest_of_a_group_outlives_a_crash_while_a_member_is_deleted(
    pools: LoopFilePools, visit: str, left: list[str]
) -> None:
    pool = pools.open()
    volumes = [pool.create_volume(NewVolume(name, Bytes(1 << 20), None)) for name in "abc"]
    pool.take_snapshots([NewSnapshot(volume.name, volume.id) for volume in volumes])
    pool.close()
    environment = {**os.environ, "ROKCSI_FAILPOINT": visit, "PYTHONPATH": str(Path(__file__).parents[3])}
    died = subprocess.run([sys.executable, "-c", DELETES, str(pools.folder)], env=environment, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    again = pools.open()
    assert sorted(snapshot.name for snapshot in again.snapshots()) == left
    again.delete_snapshots([snapshot.id for snapshot in again.snapshots() if snapshot.name == "b"])
    again.close()
    last = pools.open()
    assert sorted(snapshot.name for snapshot in last.snapshots()) == [name for name in left if name != "b"]
    last.delete_snapshots([snapshot.id for snapshot in last.snapshots()])
    last.close()
