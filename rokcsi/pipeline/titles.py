"""What the checkpoints around a step are called."""

from __future__ import annotations

from rokcsi.model.history import ReasonKind


def step_title(step: str, attempt: int, kind: ReasonKind, exit_status: int | None) -> str:
    """Give the title of the checkpoint before or after an attempt of a step."""
    again = f" (attempt {attempt})" if attempt > 1 else ""
    if kind is ReasonKind.STEP_BEFORE:
        return f"Before step {step!r}{again}"
    return f"After step {step!r}{again}: {end_in_words(exit_status)}"


def end_in_words(status: int | None) -> str:
    """Say how a command ended."""
    if status is None:
        return "did not end by itself"
    return f"ended by signal {-status}" if status < 0 else f"exit status {status}"
