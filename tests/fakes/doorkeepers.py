"""Doorkeepers that pretend: they remember what they were asked, and answer as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rokcsi.model.doorkeeper import POD_FACTS, Passage


def facts(uid: str = "uid-1", name: str = "train-0", namespace: str = "team-a") -> Mapping[str, str]:
    """Give what kubelet tells of a pod."""
    return dict(zip(POD_FACTS, (name, namespace, uid, "default-editor"), strict=True))


@dataclass
class ScriptedDoorkeeper:
    """Raises the next of `errors`, else answers; `meanwhile` is called while it is being asked."""

    errors: list[Exception] = field(default_factory=list)
    meanwhile: Callable[[Passage], None] = lambda passage: None
    passages: list[Passage] = field(default_factory=list)
    patience: list[tuple[float, bool]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, passage: Passage, seconds: float, *, patient: bool) -> None:
        with self.lock:
            self.passages.append(passage)
            self.patience.append((seconds, patient))
            error = self.errors.pop(0) if self.errors else None
        self.meanwhile(passage)
        if error is not None:
            raise error

    def sides(self) -> list[str]:
        """Give what was asked, as UID and side."""
        return [f"{passage.pod.uid} {passage.side}" for passage in self.passages]
