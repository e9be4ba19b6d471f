"""LVM's commands, one method and one process each: thin volumes made, cut, grown, described, shown and taken away.

Called by the pool `lvm` and by those who make a pool. Every command is `lvm` itself with our
own settings, waits for the volume group's lock, and is given time: one that was killed half
way leaves a group that LVM itself mends, and us without an answer. What it refuses is raised
as LvmRefused, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rokcsi.model.sizes import Bytes
from rokcsi.system.command import Runner
from rokcsi.system.lvm_refusals import LvmRefused, reason_of
from rokcsi.system.lvm_reports import REPORTED, GroupReport, group_report
from rokcsi.system.lvm_settings import settings, udev_runs

_SECONDS = 300.0
_ANY_STATUS = range(-64, 256)


@dataclass(frozen=True, slots=True)
class NewThinVolume:
    """A thin volume asked for, inactive and left alone by the boot; its tags are set in the step that makes it."""

    name: str
    tags: tuple[str, ...] = ()
    readonly: bool = False


class Lvm:
    """The commands for one volume group; names are in LVM's alphabet and have no leading dash: the caller has checked."""

    def __init__(self, runner: Runner, group: str) -> None:
        self._runner = runner
        self._group = group

    def report(self) -> GroupReport:
        """Give all logical volumes of the group, and the group itself."""
        how = ("--reportformat", "json", "--units", "b", "--nosuffix", "--options", REPORTED)
        return group_report(self._asked("lvs", *how, "--", self._group))

    def create(self, new: NewThinVolume, size: Bytes, pool: str) -> None:
        """Make an empty thin volume in a pool."""
        into = ("--type", "thin", "--virtualsize", f"{int(size)}b", "--thinpool", pool)
        self._asked("lvcreate", *_new(new), *into, "--", self._group)

    def snapshot(self, new: NewThinVolume, origin: str) -> None:
        """Make a thin volume that begins as another one; LVM suspends that for a moment where it is active."""
        self._asked("lvcreate", *_new(new), "--snapshot", "--", self._path(origin))

    def extend(self, name: str, size: Bytes) -> None:
        """Make a thin volume larger, active or not."""
        self._asked("lvextend", "--size", f"{int(size)}b", "--", self._path(name))

    def remove(self, names: Iterable[str]) -> None:
        """Take volumes away, active or not; one after the other, so that a failure may leave some."""
        self._asked("lvremove", "--yes", "--force", "--", *map(self._path, names))

    def retag(self, names: Iterable[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Take tags off volumes and give them others; each volume's change is one step."""
        changes = [*(f"--deltag={tag}" for tag in remove), *(f"--addtag={tag}" for tag in add)]
        self._asked("lvchange", *changes, "--", *map(self._path, names))

    def activate(self, name: str) -> None:
        """Make a volume's block device, also of one that the boot leaves alone; LVM says nothing where lvm.conf forbids it."""
        self._asked("lvchange", "--activate", "y", "--ignoreactivationskip", "--", self._path(name))

    def activate_pool(self, name: str) -> None:
        """Activate a thin pool as the admin's lvm.conf has it: watched by dmeventd, or not."""
        self._ran("lvchange", settings(udev=udev_runs(), monitoring=None), ("--activate", "y", "--", self._path(name)))

    def deactivate(self, name: str) -> None:
        """Take a volume's block device away."""
        self._asked("lvchange", "--activate", "n", "--", self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._group}/{name}"

    def _asked(self, verb: str, *words: str) -> str:
        return self._ran(verb, settings(udev=udev_runs()), words)

    def _ran(self, verb: str, config: str, words: Sequence[str]) -> str:
        argv = ("lvm", verb, "--config", config, *words)
        ended = self._runner.run(argv, timeout_seconds=_SECONDS, accepted_statuses=_ANY_STATUS)
        if ended.status != 0:
            raise LvmRefused(
                reason_of(ended.stderr), f"lvm {verb} ended with status {ended.status}: {_brief(ended.stderr)}"
            )
        return ended.stdout


def mapped_name(group: str, volume: str, layer: str = "") -> str:
    """Give the name of a logical volume's device: LVM doubles dashes, and puts single ones between the parts."""
    parts = (group, volume, layer) if layer else (group, volume)
    return "-".join(part.replace("-", "--") for part in parts)


def _new(new: NewThinVolume) -> Sequence[str]:
    tags = [f"--addtag={tag}" for tag in new.tags]
    state = ("--activate", "n", "--setactivationskip", "y", "--permission", "r" if new.readonly else "rw")
    return ("--name", new.name, *tags, *state)


def _brief(stderr: str) -> str:
    """Give what LVM said without its warnings, unless there is nothing else."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("WARNING:")] or lines
    return "; ".join(told)[:1000]
