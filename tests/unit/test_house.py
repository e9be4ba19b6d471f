"""The house rules that a machine can check; CONTRIBUTING.md tells them to people."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
GENERATED = HOUSE / "rokcsi" / "csi" / "proto"
WALL, TEST_WALL, FUNCTION_WALL = 400, 600, 40
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "core"}
VAGUE |= {"manager", "handler", "processor", "impl", "data", "info"}


def _python(*rooms: str) -> list[Path]:
    found = [path for room in rooms for path in (HOUSE / room).rglob("*.py")]
    return sorted(path for path in found if GENERATED not in path.parents)


def _name(path: Path) -> str:
    return str(path.relative_to(HOUSE))


MIGRATIONS = HOUSE / "rokcsi" / "catalog" / "migrations"  # a schema is one long list
OURS = [p for p in _python("rokcsi", "demo", "bench", "sanity", "examples") if MIGRATIONS not in p.parents]
TESTS = _python("tests")


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", OURS + TESTS, ids=_name)
def test_no_file_is_longer_than_the_wall(path: Path) -> None:
    wall = TEST_WALL if path in TESTS else WALL
    assert len(path.read_text().splitlines()) <= wall, "look for the second noun in this file"


@pytest.mark.parametrize("path", OURS, ids=_name)
def test_no_function_is_longer_than_the_wall(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.body[0].lineno + 1 > FUNCTION_WALL]
    assert not long, f"each of these is two functions: {', '.join(long)}"


@pytest.mark.parametrize("path", OURS, ids=_name)
def test_no_module_has_a_name_that_says_nothing(path: Path) -> None:
    assert not VAGUE & set(path.stem.split("_")), "find the noun that this module is about"


@pytest.mark.parametrize("path", OURS, ids=_name)
def test_no_class_has_a_name_that_says_nothing(path: Path) -> None:
    classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    words = {name: {word.lower() for word in re.findall("[A-Z][a-z]+", name)} for name in classes}
    assert not [name for name, said in words.items() if said & VAGUE]


@pytest.mark.parametrize("path", OURS + TESTS, ids=_name)
def test_nothing_is_left_to_do_later(path: Path) -> None:
    words = "TO" + "DO", "FIX" + "ME", "XX" + "X"
    assert not re.search(rf"\b({'|'.join(words)})\b", path.read_text())


@pytest.mark.parametrize("path", OURS + TESTS, ids=_name)
def test_every_exception_from_a_rule_says_why(path: Path) -> None:
    marks = r"#\s*(?:noqa: [A-Z0-9, ]+|type: ignore\[[a-z, -]+\])"
    for line in path.read_text().splitlines():
        if found := re.search(rf"{marks}(.*)", line):
            assert re.search(r"[a-z]{3}", found.group(1)), f"say why on this line: {line.strip()}"


ONLY_IN = {
    "subprocess": ("rokcsi/system/",),
    "ctypes": ("rokcsi/system/",),
    "fcntl": ("rokcsi/system/",),
    "grpc": ("rokcsi/csi/", "rokcsi/local/", "rokcsi/switchboard/"),
    "kubernetes": ("rokcsi/kube/",),
    "urllib3": ("rokcsi/kube/",),
    "sqlalchemy": ("rokcsi/catalog/",),
    "alembic": ("rokcsi/catalog/",),
    "typer": ("rokcsi/cli/",),
    "rich": ("rokcsi/cli/",),
    "pydantic": ("rokcsi/config/",),
}


@pytest.mark.parametrize("path", _python("rokcsi"), ids=_name)
def test_a_technology_stays_in_its_room(path: Path) -> None:
    used = set(_imports(ast.parse(path.read_text()))) & set(ONLY_IN)
    strays = [name for name in used if not _name(path).startswith(ONLY_IN[name])]
    assert not strays, f"{strays} belongs to {[ONLY_IN[name] for name in strays]}"


@pytest.mark.parametrize("path", sorted((HOUSE / "rokcsi" / "model").glob("*.py")), ids=_name)
def test_the_words_of_the_domain_need_only_the_standard_library(path: Path) -> None:
    third = {"grpc", "google", "sqlalchemy", "typer", "rich", "pydantic", "structlog", "yaml", "prometheus_client"}
    assert not set(_imports(ast.parse(path.read_text()))) & third


def _targets() -> dict[str, str | None]:
    text = (HOUSE / "Makefile").read_text()
    found = re.findall(r"^([a-z0-9-]+):(?!=)([^\n]*)$", text, re.MULTILINE)
    return {name: rest.partition("##")[2].strip() or None for name, rest in found}


def test_make_alone_lists_every_target() -> None:
    listing = subprocess.run(["make"], cwd=HOUSE, capture_output=True, text=True, check=True, timeout=30).stdout
    missing = [name for name, text in _targets().items() if text is None or f"make {name} " not in listing]
    assert not missing, f"write a help text behind ## for: {missing}"


def test_every_target_is_phony() -> None:
    text = (HOUSE / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == set(_targets())


def test_every_requirement_is_locked_with_its_hash() -> None:
    for lock in (*HOUSE.glob("requirements*.lock"), *HOUSE.glob("examples/*/requirements.lock")):
        text = lock.read_text()
        packages = re.findall(r"^([a-zA-Z0-9._-]+)==", text, re.MULTILINE)
        hashed = re.findall(r"^([a-zA-Z0-9._-]+)==\S+ (?:; .*)?\\\n    --hash=sha256:", text, re.MULTILINE)
        assert packages
        assert packages == hashed
        assert "://" not in text, "no registry's address stands in a lock"


def test_every_decision_is_in_the_list_and_says_what_was_given_up() -> None:
    folder = HOUSE / "docs" / "decisions"
    listing = (folder / "README.md").read_text()
    for page in folder.glob("*.md"):
        if page.name == "README.md":
            continue
        assert f"({page.name})" in listing, f"{page.name} is not listed in docs/decisions/README.md"
        for part in ("**Context.**", "**Choice.**", "**What we gave up.**"):
            assert part in page.read_text(), f"{page.name} lacks {part}"


def test_the_image_gets_the_very_versions_that_are_tested() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==[^ ]+", (HOUSE / lock).read_text(), re.MULTILINE))

    assert pins("requirements-image.lock")
    assert pins("requirements-image.lock") <= pins("requirements.lock")
