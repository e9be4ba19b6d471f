"""Who people are and what they may do, as the API server says: token reviews and reviews of access."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from rokcsi.kube.connecting import asked
from rokcsi.model.errors import TokenRefused
from rokcsi.model.people import Person, Right

_LONGEST_TOKEN = 16 * 1024


class KubernetesPeople:
    """Fits `rokcsi.model.people.People`; asks anew each time."""

    def __init__(self, api: Any) -> None:
        self._tokens = client.AuthenticationV1Api(api)
        self._access = client.AuthorizationV1Api(api)

    def who(self, token: str) -> Person:
        """Give whose token it is; raise TokenRefused, RosterAway."""
        if not token or len(token) > _LONGEST_TOKEN:
            raise TokenRefused("there is no token; a cluster's timeline wants one of its users, or of an account")
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        found = asked(self._tokens.create_token_review, review).status
        if not found.authenticated:
            raise TokenRefused("the cluster does not know this token, or it has run out")
        user = found.user
        extra = {key: tuple(values) for key, values in (user.extra or {}).items()}
        return Person(user.username, user.uid or "", tuple(user.groups or ()), extra)

    def may(self, person: Person, right: Right, namespace: str) -> bool:
        """Tell whether somebody has a right in a namespace; raise RosterAway."""
        verb, resource, group = right.value
        spec = {
            "user": person.name,
            "uid": person.uid,
            "groups": list(person.groups),
            "extra": {key: list(values) for key, values in person.extra.items()},
            "resourceAttributes": {"namespace": namespace, "verb": verb, "resource": resource, "group": group},
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool(asked(self._access.create_subject_access_review, review).status.allowed)
