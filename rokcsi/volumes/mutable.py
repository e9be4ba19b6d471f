"""What may be changed of a volume's behaviour while it lives (CSI: mutable parameters).

`checkpoint-policy` says when checkpoints of the volume are taken without being asked for:
`none` (never; so it is where nothing was said) or `steps` (just before and just after every
step that mounts it). It is kept as a label of the volume.

What a volume was made with is kept in labels of its own, which `modify` never touches: a
creation asked for again is the same where those are, however often the volume was changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from rokcsi.model.consent import CHECKPOINT_POLICY, NONE, STEPS
from rokcsi.model.errors import InvalidRequest
from rokcsi.model.volume import Labels

_MADE_WITH = "made-with/"
_WORDS: Mapping[str, tuple[str, ...]] = {CHECKPOINT_POLICY: (NONE, STEPS)}


def checked_mutable(mutable: Mapping[str, str]) -> Labels:
    """Give mutable parameters as the labels that keep them; raise InvalidRequest naming the known ones."""
    for key, value in mutable.items():
        if key not in _WORDS:
            raise InvalidRequest(f"{key!r} cannot be changed of a volume; what can be: {', '.join(_WORDS)}")
        if value not in _WORDS[key]:
            raise InvalidRequest(f"{key} cannot be {value!r}; it is one of {', '.join(_WORDS[key])}")
    return dict(mutable)


def labels_of_new(mutable: Mapping[str, str]) -> Labels:
    """Give the labels of a volume that is made with these mutable parameters."""
    return {**mutable, **{_MADE_WITH + key: value for key, value in mutable.items()}}


def made_with(labels: Labels) -> Mapping[str, str]:
    """Give the mutable parameters that a volume was made with."""
    return {key.removeprefix(_MADE_WITH): value for key, value in labels.items() if key.startswith(_MADE_WITH)}
