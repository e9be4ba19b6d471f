"""Who serves a pool, and whether a command of a driver before us is still at work: two locked files.

Called when a pool is opened. They lie where LVM has its own locks, since whoever runs LVM on
this machine, from whichever container, has to share that folder. Every command of ours has
the second file as its standard input: its lock is let go when the last of them ends, and a
driver that was killed may leave one behind that goes on for a while. So may its watchdog, which
has it, too, and would resume what the next driver has suspended.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from rokcsi.model.errors import PoolTaken, SystemCallFailed
from rokcsi.system.file_locks import holder_of, lock_alone, lock_shared_after_others

_FOLDER = Path("/run/lock/lvm")
_PATIENCE_SECONDS = 60.0


class Claim:
    """A pool's being ours, until `release`; `held` is for our commands to have as their standard input, and for our watchdog."""

    def __init__(self, name: str, *, folder: Path = _FOLDER) -> None:
        with ExitStack() as undo:
            self._alone = _opened(folder / f"rokcsi_{name}")
            undo.callback(os.close, self._alone)
            if not lock_alone(self._alone):
                raise PoolTaken(
                    f"the pool is served by {_holder(self._alone)} already; stop that one, or use another pool"
                )
            self.held = _opened(folder / f"rokcsi_{name}.commands")
            undo.callback(os.close, self.held)
            if not lock_shared_after_others(self.held, _PATIENCE_SECONDS):
                raise PoolTaken(
                    f"an LVM command of a driver before us is still at work on {name}; see with `ps` which one, and let it end"
                )
            undo.pop_all()

    def release(self) -> None:
        """Let another driver have the pool."""
        for file in (self.held, self._alone):
            with suppress(OSError):
                os.close(file)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SystemCallFailed(f"{path} cannot be opened: {error.strerror}; is this root?") from error


def _holder(file: int) -> str:
    pid = holder_of(file)
    return "another process" if pid is None else f"process {pid}"
