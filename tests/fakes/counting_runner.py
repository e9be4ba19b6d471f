"""A runner that really runs programs on this host, and remembers which."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rokcsi.system.command import Completed, HostRunner


class CountingRunner(HostRunner):
    """`programs` are those started: of LVM's the command, of others the program's name."""

    def __init__(self, held: int | None = None) -> None:
        super().__init__(held)
        self.programs: list[str] = []

    def run(
        self, argv: Sequence[str], *, timeout_seconds: float = 60.0, accepted_statuses: Collection[int] = (0,)
    ) -> Completed:
        """Remember the program, then run it."""
        self.programs.append(argv[1] if argv[0] == "lvm" else argv[0])
        return super().run(argv, timeout_seconds=timeout_seconds, accepted_statuses=accepted_statuses)

    def since(self) -> list[str]:
        """Give the programs started since this was asked last."""
        found, self.programs = self.programs, []
        return found
