"""One run of the csi-sanity program against a driver that serves already."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_RUN_SECONDS = 540


@dataclass(frozen=True, slots=True)
class Suite:
    """What is run: `mode` mount or block, in a folder of its own, against a driver; JUnit XML goes to `report`.

    `controller` is the endpoint of the controller services where it is another than the node's.
    """

    mode: str
    folder: Path
    endpoint: str
    report: Path
    controller: str = ""


def run_suite(program: Path, suite: Suite) -> None:
    """Run csi-sanity; its output goes beside the report. What came of it is read from the report."""
    mutable = suite.folder / "mutable.yaml"
    mutable.write_text("checkpoint-policy: steps\n")
    command = [
        str(program),
        f"-csi.endpoint={suite.endpoint}",
        *([f"-csi.controllerendpoint={suite.controller}"] if suite.controller else []),
        f"-csi.testvolumeaccesstype={suite.mode}",
        f"-csi.testvolumemutableparameters={mutable}",
        f"-csi.mountdir={suite.folder}/target",
        f"-csi.stagingdir={suite.folder}/staging",
        f"-ginkgo.junit-report={suite.report}",
        "-ginkgo.no-color",
    ]
    with suite.report.with_suffix(".log").open("wb") as output:
        try:
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False, timeout=_RUN_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"sanity: {suite.mode}: csi-sanity took more than {_RUN_SECONDS} s and was ended", flush=True)
