"""Names of Kubernetes' objects: subdomains of RFC 1123. `..`, or a name with a slash, would be another place of its API."""

from __future__ import annotations

import re

LONGEST_NAME = 253  # letters
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_object_name(text: str) -> bool:
    """Tell whether an object can have this name."""
    return len(text) <= LONGEST_NAME and _SUBDOMAIN.fullmatch(text) is not None
