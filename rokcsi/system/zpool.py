"""What `zpool` tells of a ZFS pool as a whole: asked by people's commands, never on the way of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from rokcsi.system.command import Runner
from rokcsi.system.zfs_refusals import ZfsRefused, refusal_of_text

_SECONDS = 30.0
_ALLOCATED = 3  # the column; a disk inside of a group has a dash in it
_REDUNDANT = ("mirror-", "raidz", "draid")


@dataclass(frozen=True, slots=True)
class ZpoolFacts:
    """A ZFS pool as a whole.

    Its `health` in ZFS's word, whether a broken disk loses nothing, its sector size as a power
    of two (0: each disk's own), and the state of the feature that destroys in the background.
    """

    health: str
    redundant: bool
    ashift: int
    async_destroy: str


class Zpool:
    """One ZFS pool of this host. Every method may raise ZfsRefused, and DidNotEnd."""

    def __init__(self, runner: Runner, pool: str) -> None:
        self._runner = runner
        self._pool = pool

    def facts(self) -> ZpoolFacts:
        """Give how the pool is made."""
        names = ("health", "ashift", "feature@async_destroy")
        found = self._run("get", "-Hp", "-o", "value", ",".join(names), self._pool).splitlines()
        health, ashift, feature = found
        return ZpoolFacts(health, self._is_redundant(), int(ashift), feature)

    def _is_redundant(self) -> bool:
        """Tell whether every group of disks that holds data has a copy of it; logs and caches do not count."""
        of_data = takewhile(lambda line: line.startswith("\t"), self._run("list", "-Hv", self._pool).splitlines()[1:])
        groups = [columns[1] for columns in (line.split("\t") for line in of_data) if columns[_ALLOCATED] != "-"]
        return bool(groups) and all(name.startswith(_REDUNDANT) for name in groups)

    def _run(self, *words: str) -> str:
        ended = self._runner.run(("zpool", *words), timeout_seconds=_SECONDS, accepted_statuses=(0, 1, 2))
        if ended.status != 0:
            said = " ".join(ended.stderr.split())
            raise ZfsRefused(f"zpool {words[0]} ended with status {ended.status}: {said}", refusal_of_text(said))
        return ended.stdout
