"""How the pod of a step was set up, besides its command and its volumes: enough to open another one like it.

Values that stand elsewhere (in secrets, config maps, fields of the pod) are not read: only
where they stand is kept, so that another pod of the same namespace finds them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class BorrowedFrom(StrEnum):
    """Where the value of a variable stands."""

    SECRET = "secret"  # noqa: S105 - the word, not one
    CONFIG_MAP = "config-map"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class BorrowedVariable:
    """A variable whose value stands elsewhere: under `key` in the secret or config map `source`, or in a field of the pod.

    An empty `name` means all keys of `source`, each with `prefix` before it; a field has no `source`.
    """

    kind: BorrowedFrom
    source: str = ""
    name: str = ""
    key: str = ""
    prefix: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PodUser:
    """Whom the container ran as, by numbers; None where the image says it. `fs_group` owns new files of its volumes."""

    user: int | None = None
    group: int | None = None
    fs_group: int | None = None
    groups: tuple[int, ...] = ()
    never_root: bool = False


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What the step's own container was made of; `requests` and `limits` are Kubernetes' quantities (`cpu`: `500m`)."""

    image: str
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    borrowed: tuple[BorrowedVariable, ...] = ()
    user: PodUser = field(default_factory=PodUser)
    service_account: str = ""
