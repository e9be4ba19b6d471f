"""Which names notebooks, volumes, pipelines and steps may have, and the names made of them.

They become parts of the names of pods and claims, so they follow Kubernetes' rule for labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rokcsi.model.errors import InvalidRequest

LONGEST_NAME = 40
RUN_LABEL = "rokcsi.dev/run"
NOTEBOOK_LABEL = "rokcsi.dev/notebook"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = "ROKCSI_"


def name_problem(name: str) -> str | None:
    """Say what is wrong with a name, None when nothing is."""
    if _NAME.fullmatch(name) is None:
        return f"{name[:60]!r} is no name; use lower-case letters, digits and '-', beginning and ending without '-'"
    if len(name) > LONGEST_NAME:
        return f"{name[:60]!r} is too long; at most {LONGEST_NAME} characters are possible"
    return None


def check_name(what: str, name: str) -> None:
    """Raise InvalidRequest for a bad name; `what` says whose it is."""
    if (problem := name_problem(name)) is not None:
        raise InvalidRequest(f"{what}: {problem}")


def variable_problem(name: str) -> str | None:
    """Say what is wrong with the name of an environment variable that a user sets, None when nothing is."""
    if _VARIABLE.fullmatch(name) is None:
        return f"{name[:60]!r} is no name of an environment variable; use letters, digits and '_'"
    if name.startswith(_OURS):
        return f"{name[:60]!r}: names that begin with {_OURS} are set by the run itself"
    return None


def check_distinct(what: str, values: Sequence[str]) -> None:
    """Raise InvalidRequest when two are the same."""
    for value in values:
        if values.count(value) > 1:
            raise InvalidRequest(f"two volumes have the {what} {value!r}; each needs its own")


def without_ours(environment: dict[str, str]) -> dict[str, str]:
    """Give the variables that are the user's own."""
    return {name: value for name, value in environment.items() if not name.startswith(_OURS)}
