"""Takes fields out of a YAML tree, each with its type, and complains by file, line, column and field.

A reader that finds a mistake notes it and gives None (or nothing), so that reading goes on
and all mistakes of a file are told at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import yaml

from rokcsi.pipeline.yaml_places import Complaints

_TAG = "tag:yaml.org,2002:"
_KINDS = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def nearest(word: str, words: Iterable[str]) -> str:
    """Give `; did you mean …?` where one of the words is close, else nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


@dataclass(frozen=True, slots=True)
class Place:
    """One value: its node, and the field's path as people write it (`steps[2].needs`)."""

    node: yaml.Node
    where: str
    complaints: Complaints

    def complain(self, problem: str) -> None:
        """Note a mistake of this value."""
        self.complaints.add(self.node.start_mark, self.where, problem)

    @property
    def address(self) -> str:
        """Where this value stands, as a complaint begins: `file:line:column: field`."""
        mark = self.node.start_mark
        return f"{self.complaints.file}:{mark.line + 1}:{mark.column + 1}: {self.where}"

    def mapping(self, known: Collection[str] | None = None, required: Collection[str] = ()) -> dict[str, Place]:
        """Give the values by key, in order; complain of unknown, repeated and missing keys."""
        if not isinstance(self.node, yaml.MappingNode):
            self.complain(f"this must be a mapping (`key: value` lines), not {self.kind}")
            return {}
        fields: dict[str, Place] = {}
        for key_node, value in self.node.value:
            key = self._key(key_node, known)
            if key is None:
                continue
            if key in fields:
                self.complaints.add(key_node.start_mark, self.where, f"the key {key!r} stands here twice; keep one")
                continue
            fields[key] = Place(value, f"{self.where}.{key}" if self.where else key, self.complaints)
        for key in required:
            if key not in fields:
                self.complain(f"the key {key!r} is missing")
        return fields

    def _key(self, node: yaml.Node, known: Collection[str] | None) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.complaints.add(node.start_mark, self.where, "a key must be a plain word")
            return None
        key = str(node.value)
        if known is not None and key not in known:
            hint = nearest(key, known) or f"; known are {', '.join(known)}"
            self.complaints.add(node.start_mark, self.where, f"unknown key {key[:60]!r}{hint}")
            return None
        return key

    def items(self) -> list[Place]:
        """Give the values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.complain(f"this must be a list (`- item` lines), not {self.kind}")
            return []
        return [
            Place(value, f"{self.where}[{number}]", self.complaints) for number, value in enumerate(self.node.value)
        ]

    def text(self) -> str | None:
        """Give a text as it is written; numbers and booleans count as the text they are written as."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.complain(f"this must be a text, not {self.kind}")
            return None
        if self.node.tag == _TAG + "null":
            self.complain("this is empty; write a text, or '' for an empty one")
            return None
        if "\0" in self.node.value:
            self.complain("a NUL character cannot be passed on; take it out")
            return None
        return str(self.node.value)

    def texts(self) -> dict[str, tuple[Place, str]]:
        """Give the texts of a mapping, each with its place."""
        found = {key: (place, place.text()) for key, place in self.mapping().items()}
        return {key: (place, text) for key, (place, text) in found.items() if text is not None}

    def whole_number(self, least: int, most: int) -> int | None:
        """Give a whole number between two bounds."""
        if self.node.tag == _TAG + "int" and re.fullmatch(r"[0-9]{1,9}", self.node.value):
            number = int(self.node.value)
            if least <= number <= most:
                return number
        self.complain(f"this must be a whole number from {least} to {most}")
        return None

    def truth(self) -> bool | None:
        """Give true or false."""
        if self.node.tag == _TAG + "bool" and self.node.value.lower() in {"true", "false"}:
            return bool(self.node.value.lower() == "true")
        self.complain("this must be true or false")
        return None

    def seconds(self) -> float | None:
        """Give a duration: `90`, `90s`, `10m` or `2h`, above zero."""
        match = _DURATION.fullmatch(self.node.value) if isinstance(self.node, yaml.ScalarNode) else None
        seconds = float(match[1]) * _UNITS[match[2]] if match is not None else 0.0
        if match is None or not 0 < seconds <= 30 * 86400:
            self.complain("this must be a duration above zero, at most 720h: 90, 90s, 10m or 2h")
            return None
        return seconds

    @property
    def is_scalar(self) -> bool:
        """Tell whether this is a single value."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def kind(self) -> str:
        """What is here instead, in words."""
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        return _KINDS.get(self.node.tag.removeprefix(_TAG), "a single value")
