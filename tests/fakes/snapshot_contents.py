"""VolumeSnapshots and their contents in memory: what a test has written, what was made for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rokcsi.model.claims import NamespacedName
from rokcsi.model.ids import own_handle
from rokcsi.model.requested_snapshots import Content, RequestedSnapshot, content_name


@dataclass
class MemoryContents:
    """Fits `SnapshotContents` and `NamedHandles`; `handles` are what contents name, by their names."""

    snapshots: dict[NamespacedName, RequestedSnapshot] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    listed: int = 0

    def write(self, name: NamespacedName, origin: str, content: str | None = None, uid: str = "1") -> NamespacedName:
        """Have a snapshot with an origin, and a content as it should be unless told."""
        named = content_name(name) if content is None else content
        self.snapshots[name] = RequestedSnapshot(name, uid, origin, named)
        return name

    def snapshot(self, name: NamespacedName) -> RequestedSnapshot | None:
        return self.snapshots.get(name)

    def content(self, name: str) -> Content | None:
        return self.contents.get(name)

    def made(self) -> Sequence[Content]:
        return [content for content in self.contents.values() if content.is_ours]

    def make(self, snapshot: RequestedSnapshot, handle: str) -> None:
        name = content_name(snapshot.name)
        self.contents.setdefault(name, Content(name, f"uid-{name}", snapshot.name, snapshot.uid, is_ours=True))
        self.handles.setdefault(name, handle)

    def remove(self, content: Content) -> None:
        self.contents.pop(content.name, None)
        self.handles.pop(content.name, None)

    def named(self) -> Collection[str]:
        self.listed += 1
        return frozenset(own_handle(handle) for handle in self.handles.values())
