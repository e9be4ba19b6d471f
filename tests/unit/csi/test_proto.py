"""protos/csi.proto is CSI 1.12.0, wire for wire, and the committed Python code is what it makes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from protos.generate import GENERATED, PROTOS, descriptor_set, generated
from sanity.toolchain import NotInstallable, go_program

SPEC = "github.com/container-storage-interface/spec@v1.12.0"


@pytest.fixture(scope="module")
def published() -> Path:
    """The published csi.proto, out of Go's module cache."""
    try:
        go = str(go_program())
    except NotInstallable as error:
        pytest.fail(f"Go is missing, which fetches the published CSI spec, and could not be installed: {error}")
    fetched = subprocess.run(
        [go, "mod", "download", "-json", SPEC], capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    told = json.loads(fetched.stdout or "{}")
    if "Dir" not in told:
        pytest.fail(f"Go cannot fetch {SPEC}: {told.get('Error') or fetched.stderr}")
    return Path(told["Dir"]) / "csi.proto"


def on_the_wire(proto: Path) -> FileDescriptorProto:
    """Give what a .proto says about the wire, without its comments and what only other languages read."""
    [file] = FileDescriptorSet.FromString(descriptor_set(proto)).file
    file.ClearField("source_code_info")
    file.ClearField("options")
    for service in file.service:
        for method in service.method:
            if not method.options.ByteSize():
                method.ClearField("options")  # `{}` and `;` after a method differ in this alone
    return file


def test_our_proto_is_wire_identical_to_the_published_one(published: Path) -> None:
    assert on_the_wire(PROTOS / "csi.proto") == on_the_wire(published)


def test_the_comparison_sees_a_changed_number(published: Path, tmp_path: Path) -> None:
    changed = tmp_path / "csi.proto"
    changed.write_text((PROTOS / "csi.proto").read_text().replace("string volume_id = 2;", "string volume_id = 7;", 1))
    assert on_the_wire(changed) != on_the_wire(published)


def test_no_comment_is_the_published_ones(published: Path) -> None:
    def sentences(text: str) -> set[str]:
        joined = re.sub(r"\n\s*//", " ", text)
        comments = re.findall(r"//\s*(.*)", joined)
        parts = (part.strip() for comment in comments for part in comment.split(". "))
        return {part for part in parts if len(part.split()) > 4}

    ours = sentences((PROTOS / "csi.proto").read_text())
    assert ours
    assert not ours & sentences(published.read_text())


def test_the_committed_code_is_what_the_proto_makes() -> None:
    texts: Any = generated()
    committed = {path.name: path.read_text() for path in GENERATED.glob("*.py*") if path.suffix in {".py", ".pyi"}}
    assert committed == texts, "run `python protos/generate.py`"
