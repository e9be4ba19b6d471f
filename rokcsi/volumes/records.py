"""What was staged and published on this node, one small file each, beside an index in memory.

The folder is meant to lie on tmpfs: a reboot ends the mounts, and the records with them, so
nothing is flushed. A record is written before the mount it tells of and removed after it is
gone; at start, one without its mount is dropped. Paths are real paths.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any, TypeVar

from rokcsi.model.errors import SystemCallFailed
from rokcsi.model.ids import VolumeId
from rokcsi.model.node import Access


@dataclass(frozen=True, slots=True)
class Staged:
    """A volume made ready at `path`; `device` is the block device it was attached as."""

    volume: VolumeId
    path: Path
    access: Access
    device: Path


@dataclass(frozen=True, slots=True)
class Published:
    """A volume shown to a pod at `path`, out of what is staged at `staging`; `readonly` as the call said it."""

    volume: VolumeId
    path: Path
    access: Access
    device: Path
    staging: Path
    readonly: bool
    pod: tuple[tuple[str, str], ...] = ()

    def is_like(self, other: Published) -> bool:
        """Tell whether both were asked for with the same arguments."""
        mine, theirs = (self.access, self.staging, self.readonly), (other.access, other.staging, other.readonly)
        return mine == theirs


Record = Staged | Published
_ACCESS_FIELDS = tuple(field.name for field in fields_of(Access))
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_UNFINISHED = "."
_Outer = TypeVar("_Outer")
_Inner = TypeVar("_Inner")


class NodeRecords:
    """All records of one pool on this node; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._by_path: dict[str, dict[VolumeId, Record]] = {}
        self._by_volume: dict[VolumeId, dict[str, Record]] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = [(file, _read(file)) for file in folder.iterdir()]
        except OSError as failure:
            raise SystemCallFailed(f"cannot read the records in {folder}: {failure.strerror}") from failure
        for file, record in found:
            if record is None or file.name.startswith(_UNFINISHED):
                file.unlink(missing_ok=True)
            else:
                self._remember(record)

    def __iter__(self) -> Iterator[Record]:
        """Go through all records as they are now."""
        with self._lock:
            return iter([record for records in self._by_volume.values() for record in records.values()])

    def add(self, record: Record) -> None:
        """Write a record in place of the one of this volume at this path; raise SystemCallFailed."""
        if self.at(record.volume, record.path) == record:
            return
        try:
            # A record that is there stays whole until the new one is: its mount may be in use.
            name = _name(record)
            unfinished = self._folder / f"{_UNFINISHED}{name}"
            fd = os.open(unfinished, _WRITE, 0o600)
            try:
                os.write(fd, json.dumps(_fields(record)).encode())
            finally:
                os.close(fd)
            unfinished.replace(self._folder / name)
        except OSError as failure:
            raise SystemCallFailed(f"cannot write a record in {self._folder}: {failure.strerror}") from failure
        self._remember(record)

    def remove(self, record: Record) -> None:
        """Forget a record; nothing happens when it is forgotten already."""
        (self._folder / _name(record)).unlink(missing_ok=True)
        with self._lock:
            _drop(self._by_path, str(record.path), record.volume)
            _drop(self._by_volume, record.volume, str(record.path))

    def at(self, volume: VolumeId, path: Path) -> Record | None:
        """Give what is recorded of a volume at a path."""
        return self._by_volume.get(volume, {}).get(str(path))

    def staged_at(self, volume: VolumeId, path: Path) -> Staged | None:
        """Give the record of a volume staged at a path."""
        record = self.at(volume, path)
        return record if isinstance(record, Staged) else None

    def published_at(self, volume: VolumeId, path: Path) -> Published | None:
        """Give the record of a volume published at a path."""
        record = self.at(volume, path)
        return record if isinstance(record, Published) else None

    def staged(self, volume: VolumeId) -> list[Staged]:
        """Give all records of where a volume is staged."""
        return [record for record in self.of(volume) if isinstance(record, Staged)]

    def published(self, volume: VolumeId) -> list[Published]:
        """Give all records of where a volume is published."""
        return [record for record in self.of(volume) if isinstance(record, Published)]

    def others_at(self, volume: VolumeId, path: Path) -> list[Record]:
        """Give the records of other volumes at a path."""
        with self._lock:
            return [record for owner, record in self._by_path.get(str(path), {}).items() if owner != volume]

    def above(self, path: Path) -> Record | None:
        """Give a record at a folder that holds this path, if there is one: the path lies inside a volume."""
        folder, _, _ = str(path).rpartition("/")
        with self._lock:
            while folder:
                for record in self._by_path.get(folder, {}).values():
                    return record
                folder, _, _ = folder.rpartition("/")
        return None

    def of(self, volume: VolumeId) -> list[Record]:
        """Give all records of a volume."""
        with self._lock:
            return list(self._by_volume.get(volume, {}).values())

    def _remember(self, record: Record) -> None:
        with self._lock:
            self._by_path.setdefault(str(record.path), {})[record.volume] = record
            self._by_volume.setdefault(record.volume, {})[str(record.path)] = record


def _drop(index: dict[_Outer, dict[_Inner, Record]], outer: _Outer, inner: _Inner) -> None:
    found = index.get(outer)
    if found is not None:
        found.pop(inner, None)
        if not found:
            del index[outer]


def _name(record: Record) -> str:
    return hashlib.sha256(f"{record.volume}\0{record.path}".encode(errors="surrogateescape")).hexdigest()[:32]


def _fields(record: Record) -> dict[str, Any]:
    access = {field: getattr(record.access, field) for field in _ACCESS_FIELDS}
    fields: dict[str, Any] = {
        "kind": type(record).__name__,
        "volume": record.volume,
        "path": str(record.path),
        "access": access,
    }
    fields["device"] = str(record.device)
    if isinstance(record, Published):
        fields |= {"staging": str(record.staging), "readonly": record.readonly, "pod": record.pod}
    return fields


def _read(file: Path) -> Record | None:
    try:
        return _record(json.loads(file.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _record(fields: dict[str, Any]) -> Record:
    access = Access(**fields["access"] | {"options": tuple(fields["access"]["options"])})
    volume, path, device = VolumeId(fields["volume"]), Path(fields["path"]), Path(fields["device"])
    if fields["kind"] == Staged.__name__:
        return Staged(volume, path, access, device)
    pod = tuple((key, value) for key, value in fields["pod"])
    return Published(volume, path, access, device, Path(fields["staging"]), fields["readonly"], pod)
