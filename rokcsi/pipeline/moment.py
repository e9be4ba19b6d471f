"""Who may be writing to a run's volumes at this moment; cuts and starts of steps happen one at a time.

Every step mounts the same volumes. A cut is quiet when no step runs; when none has been
started since, the next checkpoint may rest on the same cut.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rokcsi.model.history import Version


class RunCanceled(Exception):
    """The run was stopped while this step waited for its turn."""


class Moment:
    """Shared by the threads of one run; what is not `cancel` or `canceled` needs `alone`."""

    def __init__(self, completed: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._canceled = threading.Event()
        self._running: dict[str, str] = {}  # pod by step
        self._completed = list(completed)
        self._quiet: Version | None = None
        self._last: Version | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else cut or start in the meantime."""
        with self._lock:
            yield

    @property
    def canceled(self) -> bool:
        """Tell whether the run was stopped."""
        return self._canceled.is_set()

    @property
    def completed(self) -> tuple[str, ...]:
        """The steps that have succeeded by now."""
        return tuple(self._completed)

    def running_besides(self, step: str) -> tuple[str, ...]:
        """Give the other steps that run."""
        return tuple(sorted(name for name in self._running if name != step))

    @property
    def quiet(self) -> Version | None:
        """The version since whose cut nothing can have changed."""
        return self._quiet

    @property
    def last(self) -> Version | None:
        """The newest version of these volumes, None before the first."""
        return self._last

    def cut(self, version: Version) -> None:
        """Note a checkpoint."""
        self._last = version
        self._quiet = None if self._running else version

    def starts(self, step: str, pod: str) -> None:
        """Note that a step is about to run; raise RunCanceled when it may not."""
        if self.canceled:
            raise RunCanceled
        self._quiet = None
        self._running[step] = pod

    def ended(self, step: str, *, succeeded: bool) -> None:
        """Note that a step's pod has ended and its volumes are no longer mounted there."""
        self._running.pop(step, None)
        self._completed = [name for name in self._completed if name != step] + [step] * succeeded

    def cancel(self) -> list[str]:
        """Let no further step start; give the pods that run."""
        self._canceled.set()
        with self._lock:
            return list(self._running.values())
