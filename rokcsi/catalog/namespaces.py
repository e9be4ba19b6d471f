"""A catalogue for each namespace, each in a file of its own: what one holds, another never sees."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rokcsi.catalog.opening import open_catalog, open_whole_catalog
from rokcsi.catalog.sql import SqlCatalog
from rokcsi.model.errors import CatalogTaken, CatalogUnreadable, Damaged, NotSupported, SystemCallFailed
from rokcsi.model.origin import NAMESPACE, namespace_of
from rokcsi.system.file_locks import lock_alone_within

_SUFFIX = ".sqlite"
_MOST_OPEN = 128  # each has some files open, and a process often no more than a thousand
_LAST_FILE_LAST = ("-wal", "-shm", "")  # a write-ahead log that stayed behind would be read into the next of its name
_PATIENCE_SECONDS = 20.0  # one that is being replaced ends within that


class NamespaceCatalogs:
    """Fits `rokcsi.model.visits.Shelves`: the files `<namespace>.sqlite` in a folder; safe for many threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}  # whoever reads one to its end keeps nobody from the others
        self._whole: set[str] = set()  # those that were read to their end once need not be when they are opened again
        self._opened: dict[str, SqlCatalog] = {}  # the one that was asked for longest ago first
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SystemCallFailed(f"the folder of catalogues {folder} cannot be made: {error.strerror}") from error

    def of(self, namespace: str) -> SqlCatalog:
        """Give a namespace's catalogue, an empty one where there was none.

        Raises InvalidRequest for no namespace's name, CatalogUnreadable for one that cannot be
        read as a whole: it is left as it is, and looked at again the next time.
        """
        namespace_of(namespace)
        with self._turn(namespace):
            known = self._taken_out(namespace)
            if known is not None and known.is_damaged:
                self._whole.discard(namespace)
                known.close()
                known = None
            catalog = known or self._open(namespace)
            self._put_in(namespace, catalog)
            return catalog

    def _open(self, namespace: str) -> SqlCatalog:
        path = self._folder / f"{namespace}{_SUFFIX}"
        catalog = _opened(namespace, path, open_catalog if namespace in self._whole else open_whole_catalog)
        self._whole.add(namespace)
        return catalog

    def _turn(self, namespace: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(namespace, threading.Lock())

    def _taken_out(self, namespace: str) -> SqlCatalog | None:
        with self._lock:
            return self._opened.pop(namespace, None)

    def _put_in(self, namespace: str, catalog: SqlCatalog) -> None:
        """Have a catalogue open, and close those beyond the most; whoever still works with one has its connection opened anew."""
        with self._lock:
            self._opened[namespace] = catalog
            beyond = list(self._opened)[: max(0, len(self._opened) - _MOST_OPEN)]
            closing = [self._opened.pop(each) for each in beyond]
        for each in closing:
            each.close()

    @contextmanager
    def kept_alone(self, patience_seconds: float | None = None) -> Iterator[None]:
        """Be the only one, of all processes that ask so, for the length of the block; raise CatalogTaken.

        Turns at a namespace are taken within one process: two that write do not know of each other.
        """
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            patience = _PATIENCE_SECONDS if patience_seconds is None else patience_seconds
            if not lock_alone_within(descriptor, patience):
                raise CatalogTaken(f"another timeline works on the catalogues in {self._folder}; one at a time can")
            yield
        finally:
            os.close(descriptor)

    def namespaces(self) -> Sequence[str]:
        """Give the namespaces that have one, in the order of their names."""
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return sorted(name for name in names if NAMESPACE.fullmatch(name))

    def remove(self, namespace: str) -> None:
        """Take a namespace's catalogue away; whoever is still reading in it reads on. Raises SystemCallFailed."""
        path = self._folder / f"{namespace_of(namespace)}{_SUFFIX}"
        with self._turn(namespace):
            opened = self._taken_out(namespace)
            self._whole.discard(namespace)
            if opened is not None:
                opened.close()
            try:
                for suffix in _LAST_FILE_LAST:
                    path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
            except OSError as error:
                raise SystemCallFailed(f"the catalogue {path} cannot be removed: {error.strerror}") from error

    def close(self) -> None:
        """Give all databases back."""
        with self._lock:
            closing, self._opened = self._opened, {}
        for each in closing.values():
            each.close()


def _opened(namespace: str, path: Path, opens: Callable[[Path], SqlCatalog]) -> SqlCatalog:
    try:
        return opens(path)
    except (Damaged, NotSupported) as error:
        raise CatalogUnreadable(
            f"nothing is known of the checkpoints of the namespace {namespace}, which stay where they are: {error};"
            " whoever runs the timeline finds in the documentation how it is mended: A catalogue cannot be read"
        ) from error
