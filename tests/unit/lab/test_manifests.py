"""The plain manifests and the page that tells how to apply them say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HOUSE = Path(__file__).parents[3]
MANIFESTS = HOUSE / "deploy" / "kubernetes" / "rokcsi.yaml"
PAGE = HOUSE / "docs" / "how-to" / "install-on-kubernetes.md"


def _objects() -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(MANIFESTS.read_text()) if each]


def _images() -> Iterator[tuple[str, str]]:
    """Give name and tag of every container's image."""
    for each in _objects():
        for container in each["spec"]["template"]["spec"]["containers"] if "template" in each.get("spec", {}) else ():
            name, _, tag = container["image"].rpartition(":")
            yield name, tag


def test_the_page_names_every_image_of_the_manifests_with_its_tag() -> None:
    [shown] = re.findall(r"```yaml\n(resources: \[rokcsi\.yaml\]\n.*?)```", PAGE.read_text(), re.DOTALL)
    listed = {(each["name"], each["newTag"]) for each in yaml.safe_load(shown)["images"]}
    assert listed == set(_images())


def test_the_page_takes_away_every_secret_that_cert_manager_makes() -> None:
    made = {each["spec"]["secretName"] for each in _objects() if each["kind"] == "Certificate"}
    [line] = re.findall(r"^kubectl .* delete secret (rok-authority-tls .*)$", PAGE.read_text(), re.MULTILINE)
    assert set(line.split()) == made
