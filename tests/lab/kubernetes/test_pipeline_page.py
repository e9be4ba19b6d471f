"""docs/how-to/run-a-pipeline-on-kubernetes.md, carried out line by line, by an owner who is no administrator.

Its lines are typed as they stand, but for three things: the ids that were printed take the
place of the page's, the image is one that the lab has, and the timeline's address is told.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.kubernetes.kubectl import LAB, Kubectl, removed
from tests.lab.kubernetes.objects import IMAGE
from tests.lab.kubernetes.release import found_by_all, switched_off

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]  # the whole page is a fixture
HOUSE = LAB.parents[3]
PAGE = (HOUSE / "docs" / "how-to" / "run-a-pipeline-on-kubernetes.md").read_text()
OF_ADMINS, OF_OWNERS = PAGE.split("## A notebook with three volumes")
TEAM = "team-a"
PAGE_IMAGE = "busybox:1.37"
CHECKPOINT, BEFORE_REPORT = "8f14e45f-ceea-467f-a9d3-46b1f4d2c0aa", "0b7cf0b9-0d8c-4a29-8d2e-2d6a6b5d2b11"
SECRET = "open-sesame"
FILES = 100_001
HASHES = "cd {}; find . -type f | sort | xargs sha256sum | sha256sum"
CHANGED_AT = "cd {}; find . -type f | sort | xargs stat -c %Z | sha256sum"  # a chown changes it, a clone does not
Object = dict[str, Any]


def blocks(language: str, part: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", part, re.MULTILINE | re.DOTALL)


@dataclass
class Reader:
    """Somebody who has the page's files in a folder and types its lines; `said` is what each line printed."""

    folder: Path
    kubeconfig: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    def files(self) -> None:
        """Write the page's files as they are to be now."""
        for text in blocks("yaml"):
            name = re.match(r"# (\S+)\n", text)
            assert name is not None, text
            (self.folder / name[1]).write_text(self.mine(text))

    def mine(self, text: str) -> str:
        """Put this lab's image, and the ids that are known, in place of the page's."""
        for page, real in self.ids.items():
            text = text.replace(page, real).replace(page[:8], real[:8])
        return text.replace(PAGE_IMAGE, IMAGE)

    def type(self, line: str) -> None:
        program, *words = shlex.split(self.mine(line))
        if program == "rokctl":
            program = str(Path(sys.executable).with_name("rokctl"))
        began = time.monotonic()
        who = ["env", f"KUBECONFIG={self.kubeconfig}"] if self.kubeconfig else []
        done = subprocess.run(
            [str(LAB), "run", *who, program, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}{done.stdout}"
        self.said[line], self.took[line] = done.stdout, time.monotonic() - began
        self.learn(line, done.stdout)

    def learn(self, line: str, printed: str) -> None:
        """Take the ids that a line printed for those that the page writes."""
        if found := re.search(r"checkpoint/(\S{36}) taken", printed):
            self.ids[CHECKPOINT] = found[1]
            self.files()
        if line.endswith("--run titanic-1"):
            self.type(f"{line} --output json")
        if line.endswith("--output json"):
            rows = json.loads(printed)
            [row] = [
                each for each in rows if (each["reason"]["step"], each["reason"]["kind"]) == ("report", "step-before")
            ]
            self.ids[BEFORE_REPORT] = row["id"]

    def only(self, part: str) -> str:
        """Give what the one line printed in which this stands."""
        [found] = [said for line, said in self.said.items() if part in line]
        return found


def kubeconfig_of(account: str, driver: Kubectl) -> str:
    """Give a kubeconfig whose context `lab` is an account's."""
    config = json.loads(driver("config", "view", "--raw", "--output", "json"))
    config["users"] = [{"name": "me", "user": {"token": driver("create", "token", account, "-n", TEAM).strip()}}]
    return json.dumps(config)


@pytest.fixture(scope="module")
def team(driver: Kubectl) -> Iterator[Kubectl]:
    """Give kubectl in the page's namespace, which goes afterwards, and have the release as it was."""
    yield Kubectl(TEAM)
    switched_off()
    removed(driver, TEAM)


@pytest.fixture(scope="module")
def reader(driver: Kubectl, team: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Give the reader at the page's end."""
    reader = Reader(tmp_path_factory.mktemp("page"))
    (reader.folder / "deploy").symlink_to(HOUSE / "deploy")
    reader.files()
    for line in "".join(blocks("sh", OF_ADMINS)).splitlines():
        reader.type(line)
    found_by_all(driver)
    (reader.folder / "kubeconfig").write_text(kubeconfig_of("owner", driver))
    reader.kubeconfig = str(reader.folder / "kubeconfig")
    for line in "".join(blocks("sh", OF_OWNERS)).splitlines():
        reader.type(line)
        print(f"{reader.took[line]:6.1f} s  {line[:110]}")
    assert team.get("pod", "fixing")["status"]["phase"] == "Running"
    return reader


def seen(team: Kubectl, pod: str, script: str) -> str:
    return team("exec", pod, "--", "sh", "-ec", script, seconds=180.0).strip()


def test_the_state_is_that_before_the_step_and_not_that_after_it(reader: Reader, team: Kubectl) -> None:
    printed = reader.only("cat /models/*'")
    assert ".titanic.kale.marshal.dir" in printed
    assert seen(team, "fixing", "cat /models/threshold /models/a /models/b").split() == ["5", "2", "8"]
    assert seen(team, "fixing", "cat README report").split() == ["survivors", "2", "8"]
    assert seen(team, "titanic", "ls -A /home/jovyan /models").split() == [
        "/home/jovyan:",
        "README",
        "/models:",
        "threshold",
    ]


def test_the_steps_ran_two_at_once_on_the_node_of_the_data(reader: Reader, team: Kubectl) -> None:
    assert reader.ids
    nodes = {each["spec"]["nodeName"] for each in team.all("pods")}
    assert len(nodes) == 1
    assert seen(team, "fixing", "cd /home/jovyan/.titanic.kale.marshal.dir; ls").split() == ["a", "b", "survivors"]


def test_the_pod_is_made_as_the_steps_was(reader: Reader, team: Kubectl) -> None:
    [step] = team.all("pods", "--selector", "rokcsi.dev/step=report")
    was, now = step["spec"], team.get("pod", "fixing")["spec"]
    [before], [after] = was["containers"], now["containers"]
    for same in ("image", "env", "resources", "workingDir"):
        assert after[same] == before[same], same
    assert _mounts(after) == _mounts(before)
    same_user = ("runAsUser", "runAsGroup", "fsGroup", "runAsNonRoot", "fsGroupChangePolicy")
    assert {each: now["securityContext"][each] for each in same_user} == {
        each: was["securityContext"][each] for each in same_user
    }
    printed = reader.only("cat /models/*'")
    assert f"HUB_TOKEN={SECRET}" in printed
    assert "uid=1000 gid=1000" in printed
    assert "/home/jovyan\n" in printed


def _mounts(container: Object) -> Mapping[str, tuple[str, bool]]:
    ours = [each for each in container["volumeMounts"] if "serviceaccount" not in each["mountPath"]]
    return {each["name"]: (each["mountPath"], each.get("readOnly", False)) for each in ours}


def test_no_secret_is_remembered(reader: Reader, driver: Kubectl) -> None:
    manifest = list(yaml.safe_load_all(reader.only("--manifest")))
    assert [each["kind"] for each in manifest] == ["PersistentVolumeClaim"] * 3 + ["Pod"]
    reader.type("rokctl --context lab --namespace team-a describe checkpoint 0b7cf0b9 --output yaml")
    assert "hub" in reader.only("describe checkpoint 0b7cf0b9 --output yaml")
    assert not [line for line, printed in reader.said.items() if SECRET in printed and "env; cat" not in line]
    assert SECRET not in driver("logs", "deployment/rok-timeline", "--tail=-1")


def test_a_stranger_sees_nothing_of_it(reader: Reader, driver: Kubectl) -> None:
    (reader.folder / "stranger").write_text(kubeconfig_of("default", driver))
    stranger = Reader(reader.folder, str(reader.folder / "stranger"), reader.ids)
    with pytest.raises(AssertionError, match="may not get pods in the namespace team-a"):
        stranger.type("rokctl --context lab --namespace team-a get checkpoints")


def test_the_data_of_the_run_and_of_the_state_is_that_of_the_notebook_by_hash(reader: Reader, team: Kubectl) -> None:
    assert reader.ids[CHECKPOINT]
    assert seen(team, "fixing", "find /data -type f | wc -l") == str(FILES)
    assert seen(team, "fixing", HASHES.format("/data")) == seen(team, "titanic", HASHES.format("/data"))


def test_a_hundred_thousand_files_are_not_walked_through(reader: Reader, team: Kubectl) -> None:
    """The same pod with another group is the control: there kubelet walks, and every file was changed."""
    assert seen(team, "fixing", CHANGED_AT.format("/data")) == seen(team, "titanic", CHANGED_AT.format("/data"))
    manifest = (
        reader.only("--manifest").replace("fsGroup: 1000", "fsGroup: 2000").replace("readOnly: true", "readOnly: false")
    )
    began = time.monotonic()
    team("apply", "--filename", "-", given=manifest)
    team.wait("condition=Ready", "pod/fixing-too", seconds=300)
    walked = time.monotonic() - began
    opened = sum(took for line, took in reader.took.items() if "--as fixing" in line or "pod/fixing" in line)
    print(
        f"a pod with a clone of {FILES} files was ready in {opened:.1f} s, with a walk through them in {walked:.1f} s"
    )
    assert seen(team, "fixing-too", CHANGED_AT.format("/data")) != seen(team, "titanic", CHANGED_AT.format("/data"))
