"""csi-sanity is found or installed in the cache, in exactly the version that we promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanity import toolchain


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "rokcsi" / "bin").mkdir(parents=True)
    return tmp_path / "rokcsi"


def built(version: str) -> bytes:
    """Give what a Go program carries of its module."""
    return f"\0mod\t{toolchain.MODULE}\t{version}\th1:x=\n".encode()


def test_a_program_of_the_right_version_is_taken_as_it_is(cache: Path) -> None:
    program = cache / "bin" / "csi-sanity"
    program.write_bytes(built(toolchain.VERSION))
    assert toolchain.csi_sanity() == program


def test_a_program_of_another_version_is_built_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = cache / "bin" / "csi-sanity"
    program.write_bytes(built("v5.4.0"))
    go = cache / "go"
    go.write_text(
        '#!/bin/sh\necho "$@" >>"$GOBIN/../asked"; [ "$1" = env ] && echo go1.26.1 || printf new >"$GOBIN/csi-sanity"\n'
    )
    go.chmod(0o755)
    monkeypatch.setattr(toolchain, "go_program", lambda: go)
    assert toolchain.csi_sanity().read_bytes() == b"new"
    assert (cache / "bin" / "asked").read_text() == f"install {toolchain.MODULE}/cmd/csi-sanity@v5.5.0\n"
    assert {path.name for path in (cache / "bin").iterdir()} == {"csi-sanity", "asked"}


def test_what_cannot_be_built_says_what_to_run_by_hand(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "go_program", lambda: Path("/bin/false"))
    with pytest.raises(toolchain.NotInstallable, match="run it by hand"):
        toolchain.csi_sanity()
    assert not list((cache / "bin").iterdir())


@pytest.mark.parametrize(
    ("told", "taken"), [("go1.26.8", "own"), ("go1.25", "own"), ("go1.24.9", "wheel"), ("devel", "wheel")]
)
def test_an_old_go_is_passed_over_for_the_wheels(
    cache: Path, monkeypatch: pytest.MonkeyPatch, told: str, taken: str
) -> None:
    go = cache / "bin" / "go"
    go.write_text(f"#!/bin/sh\necho {told}\n")
    go.chmod(0o755)
    carried = cache / "go-wheel" / "go" / "bin" / "go"
    carried.parent.mkdir(parents=True)
    carried.touch()
    monkeypatch.setenv("PATH", str(go.parent))
    assert toolchain.go_program() == {"own": go, "wheel": carried}[taken]
