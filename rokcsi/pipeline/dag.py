"""The order of steps: what needs what, what is ready, what can no longer come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Needs = Mapping[str, Sequence[str]]  # by step, in the order of the pipeline file


def cycle(needs: Needs) -> list[str]:
    """Give the steps of a cycle, the first one repeated at the end; empty when there is none."""
    done: set[str] = set()
    for start in needs:
        if (found := _cycle_from(start, needs, done)) is not None:
            return found
    return []


def _cycle_from(start: str, needs: Needs, done: set[str]) -> list[str] | None:
    """Walk down from one step without recursion: a pipeline file may chain hundreds."""
    path, waiting = [start], [iter(needs.get(start, ()))]
    while waiting:
        need = next(waiting[-1], None)
        if need is None:
            waiting.pop()
            done.add(path.pop())
        elif need in path:
            return [*path[path.index(need) :], need]
        elif need not in done:
            path.append(need)
            waiting.append(iter(needs.get(need, ())))
    return None


def ready(needs: Needs, begun: Iterable[str], succeeded: Iterable[str]) -> list[str]:
    """Give the steps that can start: not begun, and all they need has succeeded."""
    taken, good = set(begun), set(succeeded)
    return [step for step, needed in needs.items() if step not in taken and good.issuperset(needed)]


def downstream(needs: Needs, steps: Iterable[str]) -> set[str]:
    """Give these steps and all that need them, directly or not."""
    found = set(steps)
    while more := {step for step, needed in needs.items() if step not in found and found.intersection(needed)}:
        found |= more
    return found
