"""The door for the API server: claims that are being made come by, and go on with their node, or as they were.

POST /claims    an AdmissionReview, answered by one

It never says no. Nobody shows who they are: see docs/decisions/placement.md for what that tells to whom.
"""

from __future__ import annotations

from rokcsi.kube.admission_reviews import allowed, read_review
from rokcsi.model.claims import FirstNodes
from rokcsi.model.errors import InvalidRequest, RecordNotFound
from rokcsi.web.exchange import Answer, Asked, refused

PATH = "/claims"


class AdmissionDoor:
    """Translates, asks, translates back; never raises."""

    def __init__(self, nodes: FirstNodes) -> None:
        self._nodes = nodes

    def answer(self, asked: Asked) -> Answer:
        """Give the review with a node, where one is known."""
        if (asked.method, asked.path) != ("POST", PATH):
            return Answer(404, refused(RecordNotFound(f"there is only POST {PATH}")))
        try:
            review = read_review(asked.document())
        except InvalidRequest as error:
            return Answer(400, refused(error))
        node = self._nodes.node_for(review.claim) if review.claim else ""
        return Answer(200, dict(allowed(review, node)))
