"""The lab's cluster as its admin sees it: kubectl, with JSON in and out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAB = Path(__file__).with_name("lab")
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one namespace."""

    namespace: str

    def __call__(self, *words: str, given: str = "", seconds: float = 120.0) -> str:
        """Run it, give what it prints; fails with what it said."""
        done = self._run(words, given, seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def tried(self, *words: str) -> str:
        """Run it, give what it prints; nothing where it failed."""
        done = self._run(words, "", 30.0)
        return "" if done.returncode else done.stdout

    def _run(self, words: Sequence[str], given: str, seconds: float) -> subprocess.CompletedProcess[str]:
        command = [str(LAB), "run", "kubectl", "--namespace", self.namespace, *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=seconds + 30.0)

    def make(self, *objects: Object) -> None:
        """Have these objects."""
        self("create", "--filename", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, kind: str, name: str) -> Object:
        """Give an object as it is now."""
        found: Object = json.loads(self("get", kind, name, "--output", "json"))
        return found

    def all(self, kind: str, *selectors: str) -> Sequence[Object]:
        """Give all objects of a kind."""
        found: Sequence[Object] = json.loads(self("get", kind, *selectors, "--output", "json"))["items"]
        return found

    def wait(self, condition: str, *names: str, seconds: float = 120.0) -> None:
        """Wait until things are so: `wait("condition=Ready", "pod/a")`."""
        self("wait", f"--for={condition}", f"--timeout={seconds:.0f}s", *names, seconds=seconds)

    def events(self, about: str, reason: str) -> Sequence[str]:
        """Give what events of this reason say about an object."""
        selector = f"involvedObject.name={about},reason={reason}"
        return [each["message"] for each in self.all("events", "--field-selector", selector)]


def named(kind: str, names: Iterable[str]) -> list[str]:
    """Give KIND/NAME for each name."""
    return [f"{kind}/{name}" for name in names]


def removed(driver: Kubectl, namespace: str) -> None:
    """Remove a namespace with all that is in it, and wait until its volumes are gone."""
    driver("delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s", seconds=180.0)
    left = [each["metadata"]["name"] for each in driver.all("pv") if each["spec"]["claimRef"]["namespace"] == namespace]
    if left:
        driver.wait("delete", *(f"pv/{each}" for each in left))
