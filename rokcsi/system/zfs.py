"""The commands of OpenZFS that the pool uses, one function each; `zfs_programs` has the changes that are atomic.

A command that changes something returns when its transaction group is on stable storage
(dsl_sync_task waits for it), so that nothing has to be flushed after it. Dataset names come
from a checked specification and from ids, and never begin with a dash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import Damaged
from rokcsi.model.sizes import Bytes
from rokcsi.system.command import Completed, Runner
from rokcsi.system.zfs_refusals import ZfsRefusal, ZfsRefused, refusal_of_text

_CHANGE_SECONDS = 60.0
_LIST_SECONDS = 120.0
_OK = 0
_REFUSALS = (1, 2, 255)  # an error, a wrong use, and what `zfs set` of OpenZFS 2.4 makes of an error
_NONE = "-"
_KINDS = frozenset({"volume", "snapshot"})
_COLUMNS = (
    *("name", "type", "volsize", "volblocksize", "origin", "createtxg", "used", "written"),
    *("refreservation", "defer_destroy", "receive_resume_token"),
)
_STATES = Path("/proc/spl/kstat/zfs")

Properties = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ZfsRow:
    """A volume or snapshot as `zfs list` shows it, sizes in bytes.

    `made_in` is the transaction group that made it. `used` is what only this one occupies (a volume: with its
    snapshots); `written` counts from its newest snapshot, or its origin. `own` are the user properties asked for,
    inherited ones too.
    """

    name: str
    is_snapshot: bool
    size: int
    block_size: int
    origin: str | None
    made_in: int
    used: int
    written: int
    reserved: int
    deferred: bool
    receiving: bool
    own: Properties


@dataclass(frozen=True, slots=True)
class ZfsProperty:
    """One property of one dataset: its value, and where that comes from."""

    dataset: str
    name: str
    value: str
    source: str

    @property
    def is_local(self) -> bool:
        """Tell whether it was set on this dataset itself, or came with it from another machine."""
        return self.source in {"local", "received"}


class Zfs:
    """OpenZFS on this host. Every method may raise ZfsRefused, and DidNotEnd."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def create_volume(self, dataset: str, size: Bytes, properties: Properties) -> None:
        """Make an empty, thin volume.

        Never one with a reservation: where that does not fit, ZFS 2.1 tries to take the volume away
        again until nobody looks at its device any more, in a loop inside the kernel.
        """
        self._change(("zfs", "create", "-s", *_options(properties), "-V", str(int(size)), "--", dataset))

    def create_parent(self, dataset: str, properties: Properties) -> None:
        """Make a dataset that holds others, and those above it where they are missing."""
        self._change(("zfs", "create", "-p", *_options(properties), "--", dataset))

    def clone(self, snapshot: str, dataset: str, properties: Properties) -> None:
        """Make a volume that begins as a snapshot."""
        self._change(("zfs", "clone", *_options(properties), "--", snapshot, dataset))

    def set_properties(self, dataset: str, properties: Properties) -> None:
        """Set properties; a volume's size is one of them."""
        self._change(("zfs", "set", *(f"{name}={value}" for name, value in properties.items()), dataset))

    def rows_below(self, dataset: str, own: Sequence[str]) -> Sequence[ZfsRow]:
        """Give all volumes and snapshots below a dataset, with these user properties."""
        return self._rows(("-r",), [dataset], own)

    def rows_of(self, names: Iterable[str], own: Sequence[str]) -> Sequence[ZfsRow]:
        """Give those of these volumes and snapshots that are there."""
        wanted = sorted(names)
        return self._rows((), wanted, own, may_be_missing=True) if wanted else []

    def properties(self, datasets: Sequence[str], names: Sequence[str]) -> Sequence[ZfsProperty]:
        """Give some properties of some datasets."""
        words = ("zfs", "get", "-Hp", "-o", "name,property,value,source", "--", ",".join(names), *datasets)
        lines = self._checked(words, _LIST_SECONDS).stdout.splitlines()
        return [ZfsProperty(*_fields(line, 4)) for line in lines]

    def _change(self, argv: Sequence[str]) -> None:
        self._checked(argv, _CHANGE_SECONDS)

    def _rows(
        self, options: Sequence[str], names: Sequence[str], own: Sequence[str], *, may_be_missing: bool = False
    ) -> Sequence[ZfsRow]:
        columns = ",".join((*_COLUMNS, *own))
        words = ("zfs", "list", "-Hp", "-t", "volume,snapshot", "-o", columns, *options, "--", *names)
        ended = self._ended(words, _LIST_SECONDS)
        if ended.status != _OK and not (may_be_missing and _only_missing(ended.stderr)):
            raise _refused(words, ended)
        return _read_rows(ended.stdout, own)

    def _checked(self, argv: Sequence[str], seconds: float) -> Completed:
        ended = self._ended(argv, seconds)
        if ended.status != _OK:
            raise _refused(argv, ended)
        return ended

    def _ended(self, argv: Sequence[str], seconds: float) -> Completed:
        return self._runner.run(argv, timeout_seconds=seconds, accepted_statuses=(_OK, *_REFUSALS))


def pool_state(pool: str) -> str | None:
    """Give the state of an imported pool (ONLINE, DEGRADED, SUSPENDED …), None when it is not imported.

    Reads a kernel statistic that takes no lock, so it answers also when no command does any more.
    """
    try:
        return (_STATES / pool / "state").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _options(properties: Properties) -> list[str]:
    return [word for name, value in properties.items() for word in ("-o", f"{name}={value}")]


def _refused(argv: Sequence[str], ended: Completed) -> ZfsRefused:
    said = " ".join((ended.stderr or ended.stdout).split())
    return ZfsRefused(f"{' '.join(argv[:2])} ended with status {ended.status}: {said}", refusal_of_text(said))


def _only_missing(said: str) -> bool:
    return all(refusal_of_text(line) is ZfsRefusal.MISSING for line in said.splitlines())


def _read_rows(printed: str, own: Sequence[str]) -> list[ZfsRow]:
    """Read a list. ZFS prints user properties as they are, so a line break in one looks like the end of its row.

    Ours have none. The columns of ZFS itself come first: what does not begin with them is the rest of such a property.
    """
    lines = [line.split("\t") for line in printed.split("\n")]
    whole = [fields for fields in lines if len(fields) >= len(_COLUMNS) and fields[1] in _KINDS]
    if printed and not whole:
        raise Damaged(f"zfs printed something else than the columns asked for: {printed[:200]!r}")
    return [_row(fields, own) for fields in whole]


def _row(fields: Sequence[str], own: Sequence[str]) -> ZfsRow:
    name, kind, size, block, origin, made_in, used, written, reserved, deferred, token = fields[: len(_COLUMNS)]
    values = fields[len(_COLUMNS) :]
    # Where they cannot be told apart, all are there and say nothing: what has them is damaged, and never unfinished.
    shown = zip(own, values, strict=True) if len(values) == len(own) else ((each, "") for each in own)
    return ZfsRow(
        name=name,
        is_snapshot=kind == "snapshot",
        size=_number(size),
        block_size=_number(block),
        origin=None if origin == _NONE else origin,
        made_in=_number(made_in),
        used=_number(used),
        written=_number(written),
        reserved=_number(reserved),
        deferred=deferred == "on",
        receiving=token != _NONE,
        own={key: value for key, value in shown if value != _NONE},
    )


def _fields(line: str, count: int) -> list[str]:
    fields = line.split("\t")
    if len(fields) != count:
        raise Damaged(f"zfs printed {len(fields)} columns where {count} were asked for: {line[:200]!r}")
    return fields


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
