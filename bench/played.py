"""What the bench in a cluster has measured with one content: plain numbers, by driver, made by `rounds` and read by `pod_figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cut:
    """One VolumeSnapshot: seconds until it was ready to use, and those spent in our call meanwhile."""

    usable: float
    calls: float


@dataclass(frozen=True, slots=True)
class Start:
    """One pod's start: seconds until each moment, and those spent in calls of ours meanwhile, by method."""

    chosen: float
    bound: float
    scheduled: float
    running: float
    calls: Mapping[str, float]

    @property
    def parts(self) -> Mapping[str, float]:
        """Give the seconds of each step; they come to all of it."""
        return {
            "until the claim has a node": self.chosen,
            "until the claim is bound": self.bound - self.chosen,
            "until the pod has its node": self.scheduled - self.bound,
            "until the pod runs": self.running - self.scheduled,
        }


@dataclass(frozen=True, slots=True)
class Crowd:
    """Pods asked for at once: seconds until half of them ran, and all."""

    half: float
    last: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Crowd:
        """Make it of the seconds of each pod."""
        ordered = sorted(seconds)
        return cls(ordered[(len(ordered) - 1) // 2], ordered[-1])


@dataclass(frozen=True)
class Played:
    """All rounds; by the drivers' names, each in the order of its rounds. A driver that was left out has fewer, or none."""

    cuts: Mapping[str, list[Cut]]
    starts: Mapping[str, list[Start]]
    crowds: Mapping[str, list[Crowd]]
    bare: list[float] = field(default_factory=list)

    @classmethod
    def by(cls, names: Sequence[str]) -> Played:
        """Nothing yet, by these drivers."""
        return cls({name: [] for name in names}, {name: [] for name in names}, {name: [] for name in names})
