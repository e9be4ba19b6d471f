"""`exec_pod` where a person sits at a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

from tests.fakes.local_cluster import LocalWorld, claim

PROGRAM = """
import sys
from pathlib import Path
from rokcsi.local.cluster import LocalCluster
from rokcsi.local.csi_client import CsiClient
from tests.fakes.local_cluster import pod
cluster = LocalCluster(Path(sys.argv[1]), CsiClient(Path(sys.argv[2])))
cluster.start_pod(pod("notebook"))
print("status", cluster.exec_pod("notebook", ["sh", "-c", sys.argv[3]], {}))
print("deleting", flush=True)
cluster.delete_pod("notebook")
"""


def talk(world: LocalWorld, script: str, *, wait_for: str, then_type: bytes) -> str:
    """Run a script in a pod on a new terminal; type when it has said a word; give all that was shown."""
    world.cluster().create_claim(claim())
    root = str(Path(__file__).parents[3])
    argv = [sys.executable, "-c", PROGRAM, str(world.home), str(world.socket), script]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(root)
        os.execve(sys.executable, argv, {**os.environ, "PYTHONPATH": root, "TERM": "vt100"})
    shown, typed, until = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < until:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    more = os.read(terminal, 4096)
                except OSError:
                    break
                shown += more
            if not typed and wait_for.encode() in shown:
                typed = True
                os.write(terminal, then_type)
    finally:
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(1)
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
        os.close(terminal)
    return shown.decode()


def test_the_command_has_the_callers_terminal(world: LocalWorld) -> None:
    shown = talk(world, "tty; echo $TERM; read line; echo got $line; exit 3", wait_for="vt100", then_type=b"hello\n")
    assert "/dev/pts/" in shown
    assert "got hello" in shown
    assert "status 3" in shown


def test_ctrl_c_reaches_the_command_and_not_the_caller(world: LocalWorld) -> None:
    shown = talk(
        world, "trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done", wait_for="ready", then_type=b"\x03"
    )
    assert "status 8" in shown
    assert "deleting" in shown
