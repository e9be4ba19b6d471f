"""A driver in a process of its own, which a failpoint may kill and which is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc

from rokcsi.csi.proto import csi_pb2 as csi
from sanity.workplace import pool_for
from tests.system.crash.story import Calls


class ServedDriver:
    """`rokcsi serve all` on the pool that `pool_for` gives; all else is under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool = pool_for(folder)
        self.endpoint = f"unix://{folder}/run/csi.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._calls: Calls | None = None

    @property
    def calls(self) -> Calls:
        assert self._calls is not None
        return self._calls

    def start(self, failpoint: str = "") -> None:
        environment = {**os.environ, "ROKCSI_FAILPOINT": failpoint, "ROKCSI_HOME": str(self.folder / "home")}
        program = [str(Path(sys.executable).with_name("rokcsi")), "serve", "all", "--endpoint", self.endpoint]
        program += ["--pool", self.pool, "--node-id", "crash"]
        program += ["--records", str(self.folder / "records")]
        with (self.folder / "driver.log").open("ab") as log:
            self._process = subprocess.Popen(program, env=environment, stdout=log, stderr=log)
        self._calls = Calls(self.endpoint)
        self._wait_until_ready_or_dead()

    def _wait_until_ready_or_dead(self) -> None:
        for _ in range(60):
            try:
                self.calls.identity.Probe(csi.ProbeRequest(), wait_for_ready=True, timeout=0.5)
            except grpc.RpcError:
                if self.is_dead():
                    return
            else:
                return
        raise AssertionError(f"the driver neither answers nor dies:\n{self.log()[-3000:]}")

    def was_killed(self) -> bool:
        """Tell whether the process has ended by SIGKILL; waits a little for it."""
        assert self._process is not None
        try:
            return self._process.wait(5) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def is_dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        if self._calls is not None:
            self._calls.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
        self._process = None

    def log(self) -> str:
        return (self.folder / "driver.log").read_text(errors="replace")
