"""One line in the log and one count for every call: what `csi/interceptors.py` tells when a call has ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from rokcsi.observe.metrics import OK, Metrics

_log = logging.getLogger("rokcsi.calls")
_OURS_TO_MEND = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
_CHATTER = ("Probe", "Get", "List", "Validate", "NodeGet", "ControllerGet")


class CallRecorder:
    """Logs and counts calls. Questions that went well are worth a debug line, deeds an info line, failures of ours an error."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def finished(self, method: str, code: str, seconds: float, fields: Mapping[str, str | int | float]) -> None:
        """Take note of one call; `code` is the gRPC status' name."""
        self._metrics.call_answered(method, code, seconds)
        level = _level(method, code)
        if _log.isEnabledFor(level):
            _log.log(
                level, "call", extra={**fields, "method": method, "status": code, "duration_seconds": round(seconds, 6)}
            )


def _level(method: str, code: str) -> int:
    if code in _OURS_TO_MEND:
        return logging.ERROR
    if code == OK and method.startswith(_CHATTER):
        return logging.DEBUG
    return logging.INFO
