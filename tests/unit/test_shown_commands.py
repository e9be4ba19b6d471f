"""Every command, name and link in the documentation exists: fenced blocks are parsed against the real programs."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from rokcsi.pipeline import definition
from rokcsi.sdk import Session

HOUSE = Path(__file__).parents[2]
PAGES = sorted(
    [
        *HOUSE.glob("*.md"),
        *(HOUSE / "docs").rglob("*.md"),
        *HOUSE.glob("*/README.md"),
        *(HOUSE / "examples").rglob("*.md"),
    ]
)
OTHERS_PROGRAMS = {
    "cd",
    "cat",
    "cp",
    "mkdir",
    "git",
    "docker",
    "curl",
    "export",
    "ls",
    "python",
    "python3",
    "pip",
    "go",
    "openssl",
    "helm",
    "kubectl",
    "ctr",
}
_BLOCK = re.compile(r"^[ \t]*```(\w+)\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    ((?:rokctl|rokcsi|make) [a-z-][^\n]*)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _name(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found, text in _BLOCK.findall(page.read_text()):
            if found == language:
                yield _name(page), text


def _commands() -> Iterator[tuple[str, str]]:
    for page, text in _blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.strip().startswith("#"):
                yield page, line.strip()
    for path in PAGES:
        for line in _INDENTED.findall(path.read_text()):
            yield _name(path), line


COMMANDS = sorted(set(_commands()))


def _root(program: str) -> Any:
    module = importlib.import_module(f"rokcsi.cli.{program}")
    return typer.main.get_command(module.app)


def _parse(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Let the program's own parser read the words, without carrying anything out."""
    context = command.make_context(name, list(words), parent=parent)
    rest = [*context._protected_args, *context.args] if hasattr(command, "resolve_command") else []
    if rest:
        found, inner, more = command.resolve_command(context, rest)
        assert inner is not None, f"{name} has no command {found}"
        _parse(inner, found or "", more, context)


def _without_shell(line: str) -> list[str]:
    """Take away what the shell would see: comments, variables before the command, pipes, redirections."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    ends = [i for i, word in enumerate(words) if word in {"|", ">", ">>", "<", "&&", "&", ";"}]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}: {line}" for page, line in COMMANDS])
def test_a_command_in_the_documentation_is_one(page: str, line: str) -> None:
    words = _without_shell(line)
    program = Path(words[0]).name
    if program == "make":
        targets = re.findall(r"^([a-z0-9-]+):", (HOUSE / "Makefile").read_text(), re.MULTILINE)
        assert not [word for word in words[1:] if "=" not in word and word not in targets]
    elif program in {"rokctl", "rokcsi"}:
        _parse(_root(program), program, words[1:])
    else:
        assert program in OTHERS_PROGRAMS, f"{page} shows {program}, which nobody checks"


PYTHON = list(_blocks("python"))


@pytest.mark.parametrize(("page", "text"), PYTHON, ids=[page for page, _ in PYTHON])
def test_python_in_the_documentation_names_what_is_there(page: str, text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rokcsi"):
            module = importlib.import_module(node.module or "")
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)], page
    _check_session_calls(ast.parse(text))


def _check_session_calls(tree: ast.AST) -> None:
    """See that every `session.method(…, keyword=…)` is a method of the SDK's session that takes these arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("session."):
            method = getattr(Session, ast.unparse(node.func).removeprefix("session."))
            keywords = {word.arg: None for word in node.keywords if word.arg}
            inspect.signature(method).bind(None, *node.args, **keywords)


PIPELINES = [(page, text) for page, text in _blocks("yaml") if "steps:" in text]


@pytest.mark.parametrize(("page", "text"), PIPELINES, ids=[page for page, _ in PIPELINES])
def test_a_whole_pipeline_in_the_documentation_is_one(page: str, text: str) -> None:
    if text.lstrip().startswith("name:"):  # else it shows a part of one
        assert definition.parse(text, page).steps


@pytest.mark.parametrize("path", sorted(HOUSE.glob("examples/*/pipeline.yaml")), ids=_name)
def test_an_example_s_pipeline_is_right_and_its_files_are_there(path: Path) -> None:
    for step in definition.load(path).steps:
        for word in step.command:
            assert not word.endswith(".py") or (path.parent / word).is_file()


LINKS = [(_name(page), link) for page in PAGES for link in _LINK.findall(page.read_text())]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{page}: {link}" for page, link in LINKS])
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    if not link.startswith(("http://", "https://", "#")):
        assert ((HOUSE / page).parent / link.partition("#")[0]).exists()


def test_every_page_is_in_the_index() -> None:
    index = (HOUSE / "docs" / "index.md").read_text()
    pages = [page.relative_to(HOUSE / "docs") for page in (HOUSE / "docs").rglob("*.md")]
    missing = [
        str(page)
        for page in pages
        if page.parts[0] != "decisions" and page.name != "index.md" and f"({page})" not in index
    ]
    assert not missing


def test_every_metric_in_the_documentation_is_exported() -> None:
    code = "".join(path.read_text() for path in (HOUSE / "rokcsi" / "observe").glob("*.py"))
    ending = r"(?:_total|_bucket|_sum|_count)?$"
    for page in PAGES:
        for name in re.findall(r"`(rokcsi_(?!gw)[a-z_]+)", page.read_text()):
            assert re.sub(ending, "", name) in code, f"{page.name} names the metric {name}"
