"""How claims and cuts are written down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from rokcsi.local.records import Content
from rokcsi.model.cluster import Claim, ClaimSnapshot, Cut, NewClaim
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency

_NONE = Bytes(0)


class ClaimState(StrEnum):
    """PENDING: the driver may have the volume or not; BOUND: it has; RELEASING: it is being removed."""

    PENDING = "Pending"
    BOUND = "Bound"
    RELEASING = "Releasing"


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim; `volume`, `size` and `context` are the driver's answer, once it is bound."""

    spec: NewClaim
    uid: str
    state: ClaimState
    created_at: dt.datetime
    volume: str = ""
    size: Bytes = _NONE
    context: Mapping[str, str] = field(default_factory=dict)
    provisioning_seconds: float = 0.0

    @property
    def volume_name(self) -> str:
        """The name under which the driver is asked for the volume, as external-provisioner makes it."""
        return f"pvc-{self.uid}"

    def claim(self) -> Claim:
        """Give what the pipeline sees of it."""
        spec = self.spec
        return Claim(
            name=spec.name,
            volume=self.volume,
            size=self.size,
            filesystem=spec.filesystem,
            from_snapshot=spec.from_snapshot,
            created_at=self.created_at,
            labels=spec.labels,
            provisioning_seconds=self.provisioning_seconds,
        )


def claim_content(record: ClaimRecord) -> Content:
    """Write a claim as JSON has it."""
    return {**asdict(record), "created_at": record.created_at.isoformat()}


def claim_record(content: Content) -> ClaimRecord:
    """Read what `claim_content` wrote."""
    spec = {**content["spec"], "size": Bytes(content["spec"]["size"])}
    return ClaimRecord(
        **{
            **content,
            "spec": NewClaim(**spec),
            "state": ClaimState(content["state"]),
            "created_at": dt.datetime.fromisoformat(content["created_at"]),
            "size": Bytes(content["size"]),
        }
    )


@dataclass(frozen=True, slots=True)
class CutRecord:
    """A cut asked for; `volumes` are the claims' handles at that time, `cut` is there once it was taken."""

    name: str
    uid: str
    claims: tuple[str, ...]
    volumes: tuple[str, ...]
    cut: Cut | None = None
    removing: bool = False

    @property
    def group_name(self) -> str:
        """The name under which the driver is asked for the group, as external-snapshotter makes it."""
        return f"groupsnapshot-{self.uid}"


def cut_content(record: CutRecord) -> Content:
    """Write a cut as JSON has it."""
    content = asdict(record)
    if record.cut is not None:
        content["cut"]["created_at"] = record.cut.created_at.isoformat()
    return content


def cut_record(content: Content) -> CutRecord:
    """Read what `cut_content` wrote."""
    cut = content["cut"]
    return CutRecord(
        **{
            **content,
            "claims": tuple(content["claims"]),
            "volumes": tuple(content["volumes"]),
            "cut": None if cut is None else _cut(cut),
        }
    )


def _cut(content: Content) -> Cut:
    snapshots = (
        ClaimSnapshot(**{**member, "size": Bytes(member["size"]), "consistency": Consistency(member["consistency"])})
        for member in content["snapshots"]
    )
    return Cut(
        **{
            **content,
            "created_at": dt.datetime.fromisoformat(content["created_at"]),
            "snapshots": tuple(snapshots),
        }
    )
