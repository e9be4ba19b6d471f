"""Whether a volume's checkpoints are taken at the mount, and who has said so.

Four can speak, the nearest to the volume is heard: its VolumeAttributesClass, an annotation
of its claim, its StorageClass, a label of its namespace. Where nobody speaks, none are taken.
"""

from __future__ import annotations

from collections.abc import Iterable

CHECKPOINT_POLICY = "checkpoint-policy"  # the parameter of both classes, and the volume's own label
CHECKPOINTS = "rokcsi.dev/checkpoints"  # the claim's annotation and the namespace's label
NONE, STEPS = "none", "steps"


def consents(said: Iterable[str | None]) -> bool:
    """Tell whether checkpoints are wanted, by what each has said, the nearest first; unknown words are not heard."""
    heard = (word for word in said if word in {NONE, STEPS})
    return next(heard, NONE) == STEPS
