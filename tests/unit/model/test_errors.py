from __future__ import annotations

import re

from rokcsi.model import errors

ALL = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RokcsiError)}


def drawn() -> dict[str, set[str]]:
    """Read the tree in the module's docstring: each family with its members."""
    families: dict[str, set[str]] = {}
    family = ""
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"\s+[├└]── (\w+)(.*)", line):
            family = found[1]
            families[family] = set(re.findall(r"\b[A-Z]\w+", "" if "(" in found[2] else found[2]))
        elif found := re.match(r"\s+│\s+(\w.*)", line):
            families[family] |= set(found[1].split())
    return families


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    real = {
        family.__name__: {kind.__name__ for kind in ALL if family in kind.__bases__}
        for family in ALL
        if errors.RokcsiError in family.__bases__
    }
    assert drawn() == real


def test_every_error_has_one_family() -> None:
    for kind in ALL - {errors.RokcsiError}:
        assert len(kind.__bases__) == 1
        assert kind.__doc__
