"""What all parts of the demo share: the session, the teller, and the names of what is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.telling import StoryBroken, Teller
from rokcsi.cli.painting import Painter
from rokcsi.model.history import Notebook
from rokcsi.pipeline.fingerprint import of_folder
from rokcsi.sdk import Session

NOTEBOOK, REPAIR, RESULT = "demo", "demo-repair", "demo-result"
NOTEBOOKS = (NOTEBOOK, REPAIR, RESULT)
PIPELINE = "digits"
FAILING = "compare"


@dataclass
class Stage:
    """Where the story is played; `fingerprints` are those of the original notebook's volumes, by their names."""

    session: Session
    home: Path
    teller: Teller
    fingerprints: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def painter(self) -> Iterator[Painter]:
        """Show progress bars for what goes on in the block."""
        with Painter(self.teller.console) as painter:
            yield painter

    def folders(self, notebook: str | Notebook) -> dict[str, Path]:
        """Give where a notebook's volumes can be reached on this machine."""
        name = notebook.name if isinstance(notebook, Notebook) else notebook
        return dict(self.session.pod(name).paths)

    def fingerprints_of(self, notebook: str | Notebook) -> dict[str, str]:
        """Give the hash over all that is in each of a notebook's volumes."""
        return {name: of_folder(folder) for name, folder in self.folders(notebook).items()}

    def execute(self, notebook: str, *command: str) -> None:
        """Run a command in a notebook; raise StoryBroken when it fails."""
        status = self.session.execute(notebook, command)
        if status != 0:
            raise StoryBroken(f"this ended with {status} in notebook {notebook}: {' '.join(command)}")
