"""What is said of snapshots beside CSI: labels, as metadata of the call.

CSI has no labels, and a class's parameters belong to its administrator. Metadata comes only
from whoever calls the driver itself, the timeline too: no sidecar sends any, and no object of
Kubernetes' can.
The entry `rokcsi-labels-bin` goes with CreateVolumeGroupSnapshot as JSON, `{"all": {LABEL: TEXT},
"volumes": {HANDLE: {LABEL: TEXT}}}`, and comes back with GetSnapshot as `{LABEL: TEXT}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.provisioner import NOTHING_SAID, SaidOfGroup
from rokcsi.model.snapshot import Snapshot
from rokcsi.model.volume import Labels

LABELS = "rokcsi-labels-bin"
_LABEL = re.compile(r"rok/[a-z][a-z-]{0,31}")
_HELP = 'send {"all": {LABEL: TEXT}, "volumes": {HANDLE: {LABEL: TEXT}}} in JSON, labels beginning with rok/'
Metadata = Sequence[tuple[str, str | bytes]]


def said_of_group(metadata: Metadata, volumes: Collection[str]) -> SaidOfGroup:
    """Read what goes with a cut of these volumes; raise InvalidRequest."""
    sent = dict(metadata).get(LABELS)
    if sent is None:
        return NOTHING_SAID
    try:
        found = json.loads(sent)
        said = SaidOfGroup(
            {handle: _labels(labels) for handle, labels in found["volumes"].items()}, _labels(found["all"])
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the metadata {LABELS} cannot be read ({error!s:.128}); {_HELP}") from error
    if others := said.of_volumes.keys() - set(volumes):
        raise InvalidRequest(f"the metadata {LABELS} names {min(others):.128}, which is not to be cut")
    return said


def said_beside(said: SaidOfGroup) -> Metadata:
    """Give the metadata that goes with a cut, read by `said_of_group`; none where nothing is said."""
    if said == NOTHING_SAID:
        return ()
    content = {"all": dict(said.of_all), "volumes": {handle: dict(own) for handle, own in said.of_volumes.items()}}
    return ((LABELS, json.dumps(content).encode()),)


def said_of_snapshot(snapshot: Snapshot) -> tuple[tuple[str, bytes], ...]:
    """Give, as trailing metadata, what was said of a snapshot; nothing where nothing was."""
    labels = {key: value for key, value in snapshot.labels.items() if _LABEL.fullmatch(key)}
    return ((LABELS, json.dumps(labels, ensure_ascii=False).encode()),) if labels else ()


def _labels(found: Any) -> Labels:
    for key, value in found.items():
        if _LABEL.fullmatch(key) is None or not isinstance(value, str):
            raise ValueError(f"{key!r:.64} is no label with a text")
        value.encode()  # JSON can write half a character, which no pool could keep
    return dict(found)
