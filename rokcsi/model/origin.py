"""The address of a version or of one of its members, as people paste it.

`https://<host>/rok/swift/v1/<namespace>/<bucket>/<object>?version=<uuid>`, Rok's own form.
A version may also be named by its id, or by the first six or more digits of it.
"""

from __future__ import annotations

import itertools
import re
import uuid
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from rokcsi.model.errors import InvalidRequest
from rokcsi.model.history import Member, Version

DEFAULT_NAMESPACE = "default"
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a label of RFC 1123, as Kubernetes demands
SHORTEST_PREFIX = 6
_PATH = re.compile(r"/rok/swift/v1/(?P<namespace>[^/]+)/(?P<bucket>[^/]+)/(?P<object>[^/]+)")
_DIGITS = re.compile(rf"[0-9a-f]{{{SHORTEST_PREFIX},32}}")
_LONGEST = 2048
_HELP = "give a version's id, the first 6 or more digits of it, or its URL (`rokctl get versions` lists them)"


def namespace_of(text: str) -> str:
    """Give a text back that can be a namespace's name; raise InvalidRequest."""
    if NAMESPACE.fullmatch(text) is None:
        raise InvalidRequest(f"{text[:80]!r} is no name of a namespace")
    return text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one version, or one member of it, is found; `host` is empty where nobody serves it over HTTP."""

    bucket: str
    object: str
    version: str
    namespace: str = DEFAULT_NAMESPACE
    host: str = ""

    @classmethod
    def of_version(cls, version: Version, *, namespace: str = DEFAULT_NAMESPACE, host: str = "") -> Origin:
        """Give a version's address."""
        return cls(version.bucket, version.object, version.id, namespace, host)

    @classmethod
    def of_member(
        cls, version: Version, member: Member, *, namespace: str = DEFAULT_NAMESPACE, host: str = ""
    ) -> Origin:
        """Give the address of one member of a version."""
        return cls(version.bucket, member.object, version.id, namespace, host)

    def __str__(self) -> str:
        path = "/".join(quote(part, safe="") for part in (self.namespace, self.bucket, self.object))
        server = f"https://{self.host}" if self.host else ""
        return f"{server}/rok/swift/v1/{path}?version={self.version}"

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Read an address, with or without its host; raise InvalidRequest."""
        try:
            parts = urlsplit(url)
            host = parts.netloc
            query = parse_qs(parts.query, strict_parsing=True, max_num_fields=8)
        except ValueError as error:
            raise InvalidRequest(f"not a Rok URL: {url[:200]!r}; {_HELP}") from error
        match = _PATH.fullmatch(parts.path)
        versions = query.get("version", [])
        if match is None or len(versions) != 1 or (host and parts.scheme not in {"http", "https"}):
            raise InvalidRequest(
                f"not a Rok URL: {url[:200]!r}; it reads /rok/swift/v1/NAMESPACE/BUCKET/OBJECT?version=UUID"
            )
        namespace, bucket, filed_under = (unquote(match[name]) for name in ("namespace", "bucket", "object"))
        return cls(bucket, filed_under, _whole_id(versions[0]), namespace, host)


@dataclass(frozen=True, slots=True)
class VersionReference:
    """What a user's text names: the digits that a version's id begins with, and the address it was named by, if so."""

    prefix: str
    origin: Origin | None = None

    @classmethod
    def parse(cls, text: str) -> VersionReference:
        """Read an id, a prefix of one, or a URL; raise InvalidRequest."""
        text = text.strip()
        if len(text) > _LONGEST or any(ord(letter) < ord(" ") for letter in text):
            raise InvalidRequest(f"this names no version: {text[:60]!r}…; {_HELP}")
        if "/" in text:
            origin = Origin.parse(text)
            return cls(origin.version, origin)
        digits = text.lower().replace("-", "")
        if _DIGITS.fullmatch(digits) is None:
            raise InvalidRequest(f"this names no version: {text[:200]!r}; {_HELP}")
        return cls(_with_dashes(digits))


def _with_dashes(digits: str) -> str:
    """Put a UUID's dashes where they belong, in the beginning of one too."""
    ends = (0, 8, 12, 16, 20, 32)
    return "-".join(part for begin, end in itertools.pairwise(ends) if (part := digits[begin:end]))


def _whole_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise InvalidRequest(f"not the id of a version: {text[:60]!r}; {_HELP}") from error
