"""The kernel's device mapper: devices made, filled with tables, suspended, asked, removed; no process is started.

Called by `suspending` and by the pools on thin volumes. The nodes are the kernel's own,
`/dev/dm-N` in devtmpfs. The first uevent of what is made here tells udev's rules to leave
the device alone: no probing (which would hold it open), no links named after a file-system
UUID that all clones share. Later ones say nothing, so that udev goes on as before, with
devices that others made too. Nobody waits for udev.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rokcsi.model.errors import InvalidRequest, NotSupported, StillInUse, SystemCallFailed
from rokcsi.system.dm_ioctl import (
    NAME_LENGTH,
    UUID_LENGTH,
    Answer,
    Flags,
    ListedDevice,
    Request,
    Target,
    Verb,
    ask,
    ask_at_length,
    packed_message,
    packed_targets,
    unpacked_dependencies,
    unpacked_devices,
    unpacked_targets,
)

CONTROL = Path("/dev/mapper/control")
# libdevmapper's DM_UDEV_DISABLE_{DM,SUBSYSTEM,DISK,OTHER}_RULES, and DM_UDEV_PRIMARY_SOURCE.
_LEFT_ALONE_BY_UDEV = 0x4F << 16


class DeviceMapperRefused(SystemCallFailed):
    """The kernel's device mapper refused a request; `code` is its errno."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class MappedDevice:
    """A device as it is now.

    `device` is its number as in `st_rdev`; `open_count` counts openers and mounts; `live`
    tells that it has a table, `waiting` that it has another one which the next resume will
    bring in; `event` counts what its targets had to say.
    """

    name: str
    uuid: str
    device: int
    open_count: int
    suspended: bool
    readonly: bool
    live: bool
    waiting: bool
    event: int

    @property
    def node(self) -> Path:
        """The kernel's own node of the device."""
        return node_of(self.device)


def node_of(device: int) -> Path:
    """Give the kernel's own node of a mapped device's number."""
    return Path(f"/dev/dm-{os.minor(device)}")


class DeviceMapper:
    """Asks the kernel, one ioctl(2) a method; safe to use from many threads.

    A device is named as `dmsetup ls` shows it. Where there is no device of the name, a
    method raises DeviceMapperRefused with ENXIO; `look` gives None instead.
    """

    def __init__(self, control: Path = CONTROL) -> None:
        self._path = control
        self._descriptor: int | None = None
        self._mutex = threading.Lock()

    def close(self) -> None:
        """Let go of the kernel's control device; the next question opens it again."""
        with self._mutex:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def version(self) -> tuple[int, int, int]:
        """Give the version of the kernel's interface; raise NotSupported where there is no device mapper."""
        with _refusals("ask the device mapper for its version"):
            return ask(self._control(), Request(Verb.VERSION)).version

    def devices(self, prefix: str = "") -> list[ListedDevice]:
        """Give all devices whose name begins so."""
        # Newer kernels leave the others out themselves.
        request = Request(Verb.LIST_DEVICES, name=_checked(prefix), flags=Flags.UUID)
        with _refusals("list the mapped devices"):
            found = unpacked_devices(ask_at_length(self._control(), request))
        return [device for device in found if device.name.startswith(prefix)]

    def look(self, name: str) -> MappedDevice | None:
        """Give a device as it is now, None when there is no device of this name."""
        return self._seen(Request(Verb.LOOK, name=_checked(name)))

    def look_at(self, device: int) -> MappedDevice | None:
        """Give the device of this number (as in `st_rdev`), None when there is no mapped device of it."""
        return self._seen(Request(Verb.LOOK, device=device))

    def create(self, name: str, uuid: str = "") -> MappedDevice:
        """Make a device without a table; DeviceMapperRefused with EBUSY when the name or the UUID is taken; see `add`."""
        if len(uuid.encode()) > UUID_LENGTH:
            raise InvalidRequest(f"a device's UUID has at most {UUID_LENGTH} bytes, unlike {uuid!r}")
        return _mapped(self._asked(f"make the device {name}", Request(Verb.CREATE, name=_checked(name), uuid=uuid)))

    def add(self, name: str, uuid: str, table: Sequence[Target], *, readonly: bool = False) -> MappedDevice:
        """Make a device with a table, ready for use; nothing is left of it when that fails."""
        self.create(name, uuid)
        try:
            self.load(name, table, readonly=readonly)
            request = Request(Verb.SUSPEND, name=name, event=_LEFT_ALONE_BY_UDEV)
            return _mapped(self._asked(f"start the device {name}", request))
        except BaseException:
            self.remove(name)
            raise

    def remove(self, name: str, *, when_closed: bool = False) -> None:
        """Take a device away, or let it vanish when its last holder lets go; raise StillInUse."""
        flags = Flags.WHEN_CLOSED if when_closed else Flags.NONE
        request = Request(Verb.REMOVE, name=_checked(name), flags=flags)
        try:
            self._asked(f"remove the device {name}", request)
        except DeviceMapperRefused as error:
            if error.code != errno.EBUSY:
                raise
            raise StillInUse(f"the device {name} is held open; unmount or close it first") from error

    def rename(self, name: str, new: str) -> None:
        """Give a device another name, also while it is in use."""
        payload = _checked(new).encode() + b"\0"
        self._asked(f"rename the device {name} to {new}", Request(Verb.RENAME, name=_checked(name), payload=payload))

    def load(self, name: str, table: Sequence[Target], *, readonly: bool = False) -> None:
        """Give a device a table, which the next `resume` brings in."""
        flags = Flags.READ_ONLY if readonly else Flags.NONE
        payload = packed_targets(table)
        request = Request(Verb.LOAD, name=_checked(name), flags=flags, targets=len(table), payload=payload)
        self._asked(f"load a table into the device {name}", request)

    def exchange(self, name: str, table: Sequence[Target]) -> None:
        """Give a device another table while it is in use, and nobody notices but by its size; no file system is frozen."""
        self.load(name, table)
        flags = Flags.SKIP_LOCKFS | Flags.NO_FLUSH
        self._asked(f"exchange the table of the device {name}", Request(Verb.SUSPEND, name=name, flags=flags))

    def clear(self, name: str) -> None:
        """Forget the table that waits for the next `resume`."""
        self._asked(f"clear the waiting table of the device {name}", Request(Verb.CLEAR, name=_checked(name)))

    def suspend(self, name: str, *, lockfs: bool = True, flush: bool = True) -> None:
        """Hold up all I/O of a device; returns when what was under way has ended. Again is no error.

        `lockfs`: its mounted file system is written out and frozen first. `flush=False`:
        targets that can requeue what is under way do so instead of finishing it.
        """
        flags = Flags.SUSPEND
        flags |= Flags.NONE if lockfs else Flags.SKIP_LOCKFS
        flags |= Flags.NONE if flush else Flags.NO_FLUSH
        self._asked(f"suspend the device {name}", Request(Verb.SUSPEND, name=_checked(name), flags=flags))

    def resume(self, name: str) -> bool:
        """Bring in the table that waits, if there is one, and let I/O go on; tell whether the device was suspended."""
        # Only a device that was suspended makes an event of it.
        answer = self._asked(f"resume the device {name}", Request(Verb.SUSPEND, name=_checked(name)))
        return Flags.EVENT in answer.flags

    def message(self, name: str, text: str, *, sector: int = 0) -> None:
        """Tell the target at a sector something; raise DeviceMapperRefused with what the target answered."""
        request = Request(Verb.MESSAGE, name=_checked(name), payload=packed_message(sector, text))
        self._asked(f"tell the device {name} {text!r}", request)

    def table(self, name: str) -> list[Target]:
        """Give the live table."""
        return self._targets(name, Flags.TABLE)

    def status(self, name: str, *, flush: bool = False) -> list[Target]:
        """Give what each target says of itself; `flush`: a thin pool commits first, so that its figures are of now."""
        return self._targets(name, Flags.NONE if flush else Flags.NO_FLUSH)

    def dependencies(self, name: str) -> list[int]:
        """Give the numbers (as in `st_rdev`) of the devices that the live table lies on."""
        with _refusals(f"ask what the device {name} lies on"):
            request = Request(Verb.DEPENDENCIES, name=_checked(name))
            return unpacked_dependencies(ask_at_length(self._control(), request))

    def _targets(self, name: str, flags: Flags) -> list[Target]:
        with _refusals(f"ask the device {name}"):
            request = Request(Verb.STATUS, name=_checked(name), flags=flags)
            return unpacked_targets(ask_at_length(self._control(), request))

    def _seen(self, request: Request) -> MappedDevice | None:
        try:
            return _mapped(self._asked(f"look at the device {request.name or request.device}", request))
        except DeviceMapperRefused as error:
            if error.code == errno.ENXIO:
                return None
            raise

    def _asked(self, deed: str, request: Request) -> Answer:
        with _refusals(deed):
            return ask(self._control(), request)

    def _control(self) -> int:
        if self._descriptor is None:
            with self._mutex:
                if self._descriptor is None:
                    self._descriptor = _opened(self._path)
        return self._descriptor


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise NotSupported(
            f"this machine's kernel shows no device mapper at {path} ({error.strerror}); load it: modprobe dm-mod"
        ) from error


def _checked(name: str) -> str:
    if len(name.encode()) > NAME_LENGTH or "\0" in name or "/" in name:
        raise InvalidRequest(f"a device's name has at most {NAME_LENGTH} bytes and no slash, unlike {name!r}")
    return name


def _mapped(answer: Answer) -> MappedDevice:
    return MappedDevice(
        answer.name,
        answer.uuid,
        answer.device,
        answer.open_count,
        suspended=Flags.SUSPEND in answer.flags,
        readonly=Flags.READ_ONLY in answer.flags,
        live=Flags.LIVE in answer.flags,
        waiting=Flags.WAITING in answer.flags,
        event=answer.event,
    )


@contextmanager
def _refusals(deed: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeviceMapperRefused(
            f"the kernel refused to {deed}: {error.strerror}; `dmesg` may say why", error.errno or 0
        ) from error
