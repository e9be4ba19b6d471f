"""What is answered to whom: each request is of somebody, about one namespace, and needs one right there.

GET    /v1/namespaces/NAMESPACE/versions            all that are ready
POST   /v1/namespaces/NAMESPACE/versions            one is taken of a pod: {"pod", "title", "message"}
GET    /v1/namespaces/NAMESPACE/versions/VERSION    one
PUT    /v1/namespaces/NAMESPACE/versions/VERSION    one is pinned, or not: {"pinned"}
DELETE /v1/namespaces/NAMESPACE/versions/VERSION    one is let go
"""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote

from rokcsi.model import errors
from rokcsi.model.object_names import is_object_name
from rokcsi.model.origin import namespace_of
from rokcsi.model.people import AskedCheckpoints, People, Person, Right, Wish
from rokcsi.web.exchange import Answer, Asked, Document, refused
from rokcsi.web.wire import written

_PATH = re.compile(r"/v1/namespaces/(?P<namespace>[^/]+)/versions(?:/(?P<version>[^/]+))?")
_LONGEST_TEXT = 4096
_LONGEST_PATH = 200  # letters of it in the log
_STATUSES: dict[type[errors.RokcsiError], int] = {
    errors.TokenRefused: 401,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.InvalidRequest: 400,
    errors.OutOfRange: 400,
    errors.OutOfSpace: 507,
    errors.StillInUse: 409,
    errors.Busy: 503,
    errors.NotSupported: 501,
    errors.NotAllowed: 403,
    errors.Unavailable: 503,
}
_RIGHTS = {"GET": Right.LOOK, "POST": Right.TAKE, "PUT": Right.TAKE, "DELETE": Right.REMOVE}
_METHODS = {False: {"GET", "POST"}, True: {"GET", "PUT", "DELETE"}}  # of all, of one
_log = logging.getLogger(__name__)


class Door:
    """Translates, has the asker's right looked at, asks, translates back; never raises."""

    def __init__(self, people: People, checkpoints: AskedCheckpoints) -> None:
        self._people = people
        self._checkpoints = checkpoints

    def answer(self, asked: Asked) -> Answer:
        """Give what is answered."""
        try:
            return self._answered(asked)
        except errors.RokcsiError as error:
            status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 500)
            if not isinstance(error, errors.TokenRefused):  # strangers knock as often as they like
                fields = {"method": asked.method, "operation": asked.path[:_LONGEST_PATH], "status": status}
                _log.info("refused", extra={**fields, "error": str(error)})
            return Answer(status, refused(error))
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the log says where
            _log.exception("unexpected", extra={"method": asked.method})
            return Answer(
                500, refused(errors.Damaged(f"unexpected {type(error).__name__}; the timeline's log says where"))
            )

    def _answered(self, asked: Asked) -> Answer:
        person = self._people.who(asked.token)  # a stranger hears, and has logged, nothing else
        place = _PATH.fullmatch(asked.path)
        right = _RIGHTS.get(asked.method)
        if place is None or right is None or asked.method not in _METHODS[place["version"] is not None]:
            raise errors.RecordNotFound("there is only /v1/namespaces/NAMESPACE/versions, and each VERSION below it")
        namespace, version = place["namespace"], unquote(place["version"] or "")
        self._admit(person, right, namespace)
        document = self._done(asked, person, namespace, version)
        _log.info(
            "answered", extra={"method": asked.method, "operation": f"{namespace}/{version}", "what": person.name}
        )
        return Answer(200, document)

    def _admit(self, person: Person, right: Right, namespace: str) -> None:
        """Raise NotAllowed where somebody may not do that, InvalidRequest, RosterAway."""
        if not self._people.may(person, right, namespace_of(namespace)):
            verb, resource, _ = right.value
            raise errors.NotAllowed(f"{person.name} may not {verb} {resource} in the namespace {namespace}")

    def _done(self, asked: Asked, person: Person, namespace: str, version: str) -> Document:
        match asked.method:
            case "POST":
                return written(self._checkpoints.take(namespace, _wish(asked.document(), person)))
            case "PUT":
                return written(self._checkpoints.pin(namespace, version, pinned=_pinned(asked.document())))
            case "DELETE":
                return written(self._checkpoints.remove(namespace, version))
        if version:
            return written(self._checkpoints.version(namespace, version))
        return {"versions": [written(each) for each in self._checkpoints.versions(namespace)]}


def _wish(given: Document, person: Person) -> Wish:
    texts = {name: given.get(name, "") for name in ("pod", "title", "message")}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
            raise errors.InvalidRequest(f"{name} is a text of up to {_LONGEST_TEXT} characters")
    if not texts["pod"]:
        raise errors.InvalidRequest("name the pod that a checkpoint is to be taken of")
    if not is_object_name(texts["pod"]):
        raise errors.InvalidRequest(f"{texts['pod'][:80]!r} is no name of a pod")
    return Wish(**texts, author=person.name)


def _pinned(given: Document) -> bool:
    """Give what is asked for; a slip must not unpin: what is not pinned may go."""
    pinned = given.get("pinned")
    if not isinstance(pinned, bool):
        raise errors.InvalidRequest("pinned is true or false")
    return pinned
