"""A cluster whose pods come and go as a test says, nodes that cut, and what owners of pods were told; all in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rokcsi.model.cluster import LabelledCut, LabelledSnapshot, PodPhase, PodVolume
from rokcsi.model.doorkeeper import Passage, PodAtDoor, Side
from rokcsi.model.ids import PoolId
from rokcsi.model.pod_template import PodTemplate
from rokcsi.model.provisioner import NOTHING_SAID, SaidOfGroup
from rokcsi.model.sizes import Bytes
from rokcsi.model.snapshot import Consistency
from rokcsi.model.visits import (
    CutVolume,
    PodEnd,
    PodOwner,
    PodSetUp,
    VisitedVolume,
    VisitingPod,
    VolumeCut,
)
from rokcsi.volumes.labelling import with_said

POOL = "0" * 32
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMESPACE = "team-a"
TEMPLATE = PodTemplate("localhost/notebook:1", {"cpu": "500m"}, {"memory": "1Gi"})
JOB = PodOwner("Job", "train", "0123456789")


def handle(claim: str) -> str:
    """Give the handle of a claim's volume."""
    return f"v-{POOL}-{claim.encode().hex():0>32.32}"


@dataclass
class MemoryPods:
    """Fits `VisitedPods`."""

    pods: dict[str, VisitingPod] = field(default_factory=dict)
    claims: dict[str, VisitedVolume] = field(default_factory=dict)
    namespaces: dict[str, dt.datetime] = field(default_factory=lambda: {NAMESPACE: LONG_AGO})
    error: Exception | None = None

    def pod(self, at: PodAtDoor) -> VisitingPod | None:
        if self.error is not None:
            raise self.error
        found = self.pods.get(at.name)
        return found if found is not None and found.at.uid == at.uid else None

    def named(self, namespace: str, name: str) -> VisitingPod | None:
        return self.pods.get(name) if namespace == NAMESPACE else None

    def volumes(self, pod: VisitingPod) -> Sequence[VisitedVolume]:
        there = ((mount, self.claims.get(mount.claim)) for mount in pod.mounts)
        return [
            replace(volume, name=mount.name, mount_path=mount.mount_path, readonly=mount.readonly)
            for mount, volume in there
            if volume is not None
        ]

    def namespace_since(self, name: str) -> dt.datetime | None:
        return self.namespaces.get(name)

    def claim(self, name: str, *, said: tuple[str | None, ...] = ("steps",), **changes: object) -> None:
        """Have a claim with a volume."""
        fields: dict[str, object] = {"created": dt.datetime.now(dt.UTC), "filesystem": "xfs", **changes}
        self.claims[name] = VisitedVolume(name, name, handle(name), "", said=said, **fields)  # type: ignore[arg-type]  # the fields are above

    def comes(
        self,
        name: str,
        *claims: str,
        namespace: str = NAMESPACE,
        uid: str = "",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        readonly: bool = False,
        owner: PodOwner | None = JOB,
    ) -> PodAtDoor:
        """Have a pod that has just been scheduled, with these claims."""
        at = PodAtDoor(namespace, name, uid or f"uid-{name}", "default-editor")
        mounts = tuple(PodVolume(claim, claim, f"/{claim}", readonly) for claim in claims)
        self.pods[name] = VisitingPod(
            at,
            PodPhase.PENDING,
            labels or {},
            annotations or {},
            owner,
            mounts,
            set_up=PodSetUp(("python", "train.py"), {"EPOCHS": "3"}, "/work", TEMPLATE),
        )
        return at

    def runs(self, name: str) -> None:
        """Have its containers started."""
        self.pods[name] = replace(self.pods[name], phase=PodPhase.RUNNING, started=True)

    def ends(self, name: str, exit_status: int = 0, why: str = "", *, leaving: bool = False) -> None:
        """Have its containers ended."""
        phase = PodPhase.FAILED if exit_status else PodPhase.SUCCEEDED
        end = PodEnd(exit_status, why, dt.datetime.now(dt.UTC))
        self.pods[name] = replace(self.pods[name], phase=phase, started=True, end=end, leaving=leaving)


@dataclass
class MemoryCuts:
    """Fits `VolumeCuts`: one pool in memory; `asked` keeps every request."""

    cuts: dict[str, VolumeCut] = field(default_factory=dict)
    said: dict[str, SaidOfGroup] = field(default_factory=dict)
    label_bytes: int = 4096
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    late_errors: list[Exception] = field(default_factory=list)
    used: float = 0.1
    size: int = 1 << 30

    def cut(self, name: str, volumes: Sequence[str], said: SaidOfGroup = NOTHING_SAID) -> VolumeCut:
        self.asked.append((name, tuple(volumes)))
        if self.errors:
            raise self.errors.pop(0)
        if name not in self.cuts:
            members = tuple(CutVolume(each, f"s-{name}-{each[-6:]}", Bytes(self.size)) for each in volumes)
            self.cuts[name] = VolumeCut(f"g-{name}", dt.datetime.now(dt.UTC), members, 0.002, Consistency.FROZEN)
            self.said[name] = said
        if self.late_errors:
            raise self.late_errors.pop(0)
        return self.cuts[name]

    def pools(self) -> Sequence[PoolId]:
        return [PoolId(POOL)]

    def labelled(self, pool: PoolId, besides: Collection[str] = ()) -> Sequence[LabelledCut]:
        del pool
        return [self._labelled(name, cut) for name, cut in self.cuts.items() if cut.handle not in besides]

    def _labelled(self, name: str, cut: VolumeCut) -> LabelledCut:
        members = tuple(
            LabelledSnapshot(
                each.snapshot,
                each.volume,
                each.size,
                cut.consistency,
                cut.freeze_window_seconds,
                with_said({}, self.said[name].of(each.volume), self.label_bytes),
            )
            for each in cut.volumes
        )
        return LabelledCut(cut.handle, cut.created_at, members)

    def is_there(self, handle: str) -> bool:
        return any(cut.handle == handle for cut in self.cuts.values())

    def remove(self, handle: str) -> None:
        self.cuts = {name: cut for name, cut in self.cuts.items() if cut.handle != handle}

    def fullness(self, volume: str) -> float:
        del volume
        return self.used


@dataclass
class MemoryNotices:
    """Fits `PodNotices`."""

    told: list[tuple[str, str, str, bool]] = field(default_factory=list)
    error: Exception | None = None

    def tell(self, pod: PodAtDoor, reason: str, text: str, *, warning: bool) -> None:
        if self.error is not None:
            raise self.error
        self.told.append((pod.name, reason, text, warning))

    def reasons(self) -> list[str]:
        return [reason for _, reason, *_ in self.told]


def passage(at: PodAtDoor, side: Side, claim: str, since: dt.datetime | None = None) -> Passage:
    """Give what a node tells when a claim's volume is the first of a pod."""
    return Passage(at, side, handle(claim), since)
