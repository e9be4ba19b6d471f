"""Reads hostile YAML into a tree whose every value knows its file, line, column and field.

Only plain data is accepted: anchors, aliases, merge keys, tags and directives are refused
before anything is built, so nothing expands and nothing is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rokcsi.model.errors import InvalidRequest

LARGEST = 128 << 10
_DEEPEST = 12
_MOST_COMPLAINTS = 20
_REFUSED = {
    yaml.AnchorToken: "anchors (&name) are not accepted here; write the value out",
    yaml.AliasToken: "aliases (*name) are not accepted here; write the value out",
    yaml.TagToken: "tags (!name) are not accepted here; write the plain value",
    yaml.DirectiveToken: "directives (%NAME) are not accepted here; leave the line out",
}
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class PipelineFileWrong(InvalidRequest):
    """A pipeline file has mistakes; the text has one line for each: `file:line:column: field: what and what to do`."""


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One mistake; line and column count from 1."""

    line: int
    column: int
    text: str


@dataclass(slots=True)
class Complaints:
    """Collects the mistakes of one file, so that all of them are told at once."""

    file: str
    found: list[Complaint] = field(default_factory=list)

    def add(self, mark: yaml.Mark | None, where: str, problem: str) -> None:
        """Note a mistake at a mark, or at the beginning; `where` is the field's path."""
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self.found.append(Complaint(line, column, f"{where}: {problem}" if where else problem))

    def raise_any(self) -> None:
        """Raise PipelineFileWrong when there are mistakes, told in the order of the file."""
        if not self.found:
            return
        lines = [f"{self.file}:{one.line}:{one.column}: {one.text}" for one in sorted(self.found)]
        more = len(lines) - _MOST_COMPLAINTS
        tail = [f"{self.file}: and {more} more mistakes"] if more > 0 else []
        raise PipelineFileWrong("\n".join(lines[:_MOST_COMPLAINTS] + tail))


def read_text(path: Path) -> str:
    """Read a file as text; raise InvalidRequest when it is missing, no file, too large or not UTF-8."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidRequest(f"{path} is not a file; name a pipeline file, such as pipeline.yaml")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}; name a pipeline file") from error
    if len(content) > LARGEST:
        raise InvalidRequest(f"{path} is larger than {LARGEST >> 10} KiB; a pipeline file is a short list of steps")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PipelineFileWrong(f"{path}:{line}:1: this is not UTF-8 text; save the file as UTF-8") from error


def compose(text: str, complaints: Complaints) -> yaml.Node:
    """Give the tree of the one document in `text`; raise PipelineFileWrong."""
    if len(text) > LARGEST:
        raise InvalidRequest(f"{complaints.file} is larger than {LARGEST >> 10} KiB")
    try:
        for problem in _refusals(text):
            complaints.add(*problem)
            complaints.raise_any()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = yaml.Mark("", 0, before.count("\n"), len(before) - before.rfind("\n") - 1, None, 0)
        complaints.add(mark, "", f"the character {chr(error.character)!r} is not possible in YAML; take it out")
    except yaml.MarkedYAMLError as error:
        said = "; ".join(part for part in (error.context, error.problem) if part)
        complaints.add(error.problem_mark or error.context_mark, "", f"this is not YAML: {said}")
    else:
        if node is not None:
            return node
        complaints.add(None, "", "the file is empty; it needs at least `name` and `steps`")
    complaints.raise_any()
    raise AssertionError  # unreachable: one of the branches above complained


def _refusals(text: str) -> Iterator[tuple[yaml.Mark, str, str]]:
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if (problem := _REFUSED.get(type(token))) is not None:
            yield token.start_mark, "", problem
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEEPEST:
            yield token.start_mark, "", f"this is nested more than {_DEEPEST} levels deep; a pipeline file is flat"
