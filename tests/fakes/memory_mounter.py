"""A mounter that only remembers. Devices are the plain files of MemoryPool; a file system on one
is a line of text at its start, so that clones carry it. Targets are real, empty folders and files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rokcsi.model.errors import NotStaged, NotSupported, StillInUse, SystemCallFailed, VolumeDamaged
from rokcsi.model.mounter import Mount
from rokcsi.model.node import VolumeStats
from rokcsi.model.sizes import Bytes

_LINE = 64


@dataclass(frozen=True, slots=True)
class _Mounted:
    device: Path
    filesystem: str
    readonly: bool
    options: tuple[str, ...] = ()
    raw: bool = False


@dataclass(slots=True)
class MemoryMounter:
    """`deeds` names what was done, in order; `busy` targets cannot be unmounted; `failing` deeds raise."""

    deeds: list[str] = field(default_factory=list)
    busy: set[Path] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    grows_online: bool = True
    trimmed: list[range] = field(default_factory=list)
    _stacks: dict[Path, list[_Mounted]] = field(default_factory=dict)

    def mounted(self, target: Path) -> Mount | None:
        """Give the topmost mount."""
        stack = self._stacks.get(target)
        if not stack:
            return None
        top = stack[-1]
        return Mount(target, "7:0", "/", top.filesystem, top.readonly, top.options)

    def shows(self, target: Path, device: Path) -> bool:
        """Tell whether the topmost mount is of this device."""
        stack = self._stacks.get(target, [])
        return bool(stack) and stack[-1].device == device

    def holder(self, device: Path) -> str | None:
        """Look through the mounts."""
        shown = next(
            (target for target, stack in self._stacks.items() for each in stack if each.device == device), None
        )
        return None if shown is None else f"it is shown at {shown}"

    def mount_foreign(self, target: Path) -> None:
        """Play somebody else's mount."""
        self._stacks.setdefault(target, []).append(_Mounted(Path("/dev/foreign"), "tmpfs", readonly=False))

    def show_once_more(self, target: Path, elsewhere: Path) -> None:
        """Play kubelet, which shows a raw volume at a path of its own, too."""
        self._stacks.setdefault(elsewhere, []).append(self._stacks[target][-1])

    def forget(self, target: Path) -> None:
        """Play somebody who unmounts behind our back, or a reboot."""
        self._stacks.pop(target, None)

    def found_filesystem(self, device: Path) -> str | None:
        """Read the line of text."""
        return self._line(device)[0]

    def make_filesystem(self, device: Path, filesystem: str) -> None:
        """Write the line of text."""
        self._did("make_filesystem")
        if self.found_filesystem(device) is not None:
            raise StillInUse(f"{device} is not blank")
        self._write(device, filesystem, device.stat().st_size)

    def mount(self, device: Path, target: Path, filesystem: str, *, readonly: bool, options: tuple[str, ...]) -> None:
        """Remember a mount."""
        self._did("mount")
        if self.found_filesystem(device) != filesystem:
            raise SystemCallFailed(f"cannot mount {device}: Invalid argument")
        if not self.shows(target, device):
            target.mkdir(parents=True, exist_ok=True)
            self._stacks.setdefault(target, []).append(_Mounted(device, filesystem, readonly, options))

    def bind(self, device: Path, source: Path, target: Path, *, readonly: bool, options: tuple[str, ...] = ()) -> None:
        """Remember a bind."""
        self._did("bind")
        if not self.shows(source, device):
            raise NotStaged(f"{device} is not mounted at {source}; stage it again")
        shown = self._stacks[source][-1]
        target.mkdir(parents=True, exist_ok=True)
        self._stacks.setdefault(target, []).append(_Mounted(shown.device, shown.filesystem, readonly, options))

    def bind_device(self, device: Path, target: Path, *, readonly: bool) -> None:
        """Remember that a device is shown."""
        self._did("bind_device readonly" if readonly else "bind_device")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        if not self.shows(target, device):
            self._stacks.setdefault(target, []).append(_Mounted(device, "devtmpfs", readonly=False, raw=True))

    def release_device(self, device: Path) -> None:
        """Note that the device is writable."""
        self._did("release_device")
        assert device.exists()

    def unmount(self, target: Path, *, remove: bool = True) -> None:
        """Forget all mounts at a path."""
        self._did("unmount")
        if target in self.busy:
            raise StillInUse(f"{target} is in use")
        self._stacks.pop(target, None)
        if remove and target.is_dir():
            if any(target.iterdir()):
                raise StillInUse(f"{target} is not empty")
            target.rmdir()
        elif remove:
            target.unlink(missing_ok=True)

    def grow(self, device: Path, target: Path, filesystem: str) -> None:
        """Write the device's size into the line of text."""
        self._did("grow")
        if not self.needs_growth(device, filesystem):
            return
        if not self.grows_online:
            raise NotSupported("grows when it is staged next")
        assert self.shows(target, device)
        self._write(device, filesystem, device.stat().st_size)

    def grow_unmounted(self, device: Path, filesystem: str) -> bool:
        """Write the device's size into the line of text, for ext4."""
        self._did("grow_unmounted")
        if filesystem == "ext4" and self.needs_growth(device, filesystem):
            self._write(device, filesystem, device.stat().st_size)
        return filesystem == "xfs"

    def needs_growth(self, device: Path, filesystem: str) -> bool:
        """Compare the line of text with the device."""
        found, size = self._line(device)
        return found == filesystem and size < device.stat().st_size

    def check(self, device: Path, filesystem: str) -> None:
        """Find damage where the line of text is another."""
        if self.found_filesystem(device) != filesystem:
            raise VolumeDamaged(f"{device} holds no {filesystem}")

    def write_out(self, device: Path, target: Path) -> None:
        """Note that something was written out."""
        self._did("write_out")
        self._want_shown(target, device)

    def trim(self, device: Path, target: Path, part: range) -> bool:
        """Note which part was trimmed; the file systems here end where their line of text says."""
        self._did("trim")
        self._want_shown(target, device)
        self.trimmed.append(part)
        return part.stop < self._line(device)[1]

    def stats(self, path: Path) -> VolumeStats:
        """Give the size in the line of text."""
        return VolumeStats(Bytes(self._line(self._stacks[path][-1].device)[1]), Bytes(0), Bytes(0), 0, 0, 0)

    def device_size(self, device: Path) -> Bytes:
        """Give the file's size."""
        if not device.exists():
            raise SystemCallFailed(f"cannot read the size of {device}: No such file or directory")
        return Bytes(device.stat().st_size)

    def _want_shown(self, target: Path, device: Path) -> None:
        if not self.shows(target, device):
            raise NotStaged(f"{device} is not mounted at {target}; stage it again")

    def _did(self, deed: str) -> None:
        if deed in self.failing:
            raise SystemCallFailed(f"{deed} was made to fail")
        self.deeds.append(deed)

    def _line(self, device: Path) -> tuple[str | None, int]:
        with device.open("rb") as file:
            word, _, size = file.read(_LINE).rstrip(b"\0").decode().partition(" ")
        return (word or None), int(size or 0)

    def _write(self, device: Path, filesystem: str, size: int) -> None:
        with device.open("r+b") as file:
            file.write(f"{filesystem} {size}".encode().ljust(_LINE, b"\0"))
