"""A mounter over plain files that mounts nothing and notes what it was asked for.

`found` says which file system a device has, `unsound` which devices a check finds damaged,
`unmountable` which ones the kernel would refuse, `busy` which mounts somebody uses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rokcsi.model.errors import StillInUse, SystemCallFailed, VolumeDamaged
from rokcsi.model.mounter import Mount
from rokcsi.model.node import VolumeStats
from rokcsi.model.sizes import Bytes


class NotingMounter:
    """Keeps a mount table of its own; `verbs` lists the changing verbs in the order they came."""

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self.mounts: dict[Path, Mount] = {}
        self.found: dict[Path, str] = {}
        self.unsound: Callable[[Path], bool] = lambda _: False
        self.unmountable: Callable[[Path], bool] = lambda _: False
        self.busy: set[Path] = set()

    def mounted(self, target: Path) -> Mount | None:
        return self.mounts.get(target)

    def found_filesystem(self, device: Path) -> str | None:
        return self.found.get(device)

    def make_filesystem(self, device: Path, filesystem: str) -> None:
        self.verbs.append("make_filesystem")
        self.found[device] = filesystem

    def mount(self, device: Path, target: Path, filesystem: str, *, readonly: bool, options: tuple[str, ...]) -> None:
        self.verbs.append("mount")
        if self.unmountable(device):
            raise SystemCallFailed("mount: structure needs cleaning")
        self.mounts[target] = Mount(target, str(device), "/", filesystem, readonly, options)

    def bind(self, source: Path, target: Path, *, readonly: bool, options: tuple[str, ...] = ()) -> None:
        self.verbs.append("bind")
        of = self.mounts[source]
        self.mounts[target] = Mount(target, of.device, "/", of.filesystem, readonly, options)

    def bind_device(self, device: Path, target: Path, *, readonly: bool) -> None:
        self.verbs.append("bind_device")
        self.mounts[target] = Mount(target, str(device), device.name, "devtmpfs", readonly)

    def shows(self, target: Path, source: Path) -> bool:
        mounted, shown = self.mounts.get(target), self.mounts.get(source)
        return mounted is not None and mounted.device == (str(source) if shown is None else shown.device)

    def unmount(self, target: Path, *, remove: bool = True) -> None:
        if target in self.busy:
            raise StillInUse(f"{target} is busy")
        if self.mounts.pop(target, None) is not None:
            self.verbs.append("unmount")

    def grow(self, device: Path, target: Path, filesystem: str) -> None:
        self.verbs.append("grow")

    def grow_unmounted(self, device: Path, filesystem: str) -> None:
        self.verbs.append("grow_unmounted")

    def needs_growth(self, device: Path, filesystem: str) -> bool:
        return False

    def check(self, device: Path, filesystem: str) -> None:
        self.verbs.append("check")
        if self.unsound(device):
            raise VolumeDamaged(f"{filesystem} on {device}: bad magic number")

    def stats(self, path: Path) -> VolumeStats:
        return VolumeStats(Bytes(1 << 30))

    def device_size(self, device: Path) -> Bytes:
        return Bytes(device.stat().st_size)
