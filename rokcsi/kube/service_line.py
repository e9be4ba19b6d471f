"""The way to a port of a Service through the API server, which everybody with a kubeconfig can reach.

The API server lets users in and hides from the Service who they are; so their own token goes
along in a header, over TLS on both parts of the way, and the Service has it looked at.
"""

from __future__ import annotations

from typing import Any

from urllib3 import Timeout

from rokcsi.kube.connecting import CONNECT_SECONDS, FAILURES, told
from rokcsi.model.claims import NamespacedName
from rokcsi.model.errors import TimelineAway, TokenRefused
from rokcsi.model.people import TOKEN_HEADER

_BEARER = "Bearer "
_PATIENCE = Timeout(connect=CONNECT_SECONDS, read=75.0)


class ServiceLine:
    """Asks over one client of the API server; `token` is shown in place of the client's own."""

    def __init__(self, api: Any, service: NamespacedName, port: str, token: str = "") -> None:
        self._api = api
        self._token = token
        place = f"/api/v1/namespaces/{service.namespace}/services/https:{service.name}:{port}/proxy"
        self._address = f"{api.configuration.host}{place}"

    def ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Give the status and the body of the answer; raise TimelineAway, TokenRefused where there is no token."""
        own = self._api.configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
        token = self._token or own.removeprefix(_BEARER)
        if not token:
            raise TokenRefused(
                "the kubeconfig shows a certificate, and the timeline needs a token:"
                " set ROKCSI_TOKEN, to what `kubectl create token ACCOUNT` prints, say"
            )
        headers = {TOKEN_HEADER: token, "Content-Type": "application/json", **({"Authorization": own} if own else {})}
        try:
            answer = self._api.rest_client.pool_manager.request(
                method, f"{self._address}{path}", headers=headers, body=body, timeout=_PATIENCE, retries=False
            )
        except FAILURES as error:
            raise TimelineAway(f"the Kubernetes API does not answer: {told(error)}") from error
        return int(answer.status), bytes(answer.data)
