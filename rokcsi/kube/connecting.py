"""How we reach the API server: as the pod we run in, else as whoever's kubeconfig says."""

from __future__ import annotations

import json
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from rokcsi.model.deadline import current_deadline
from rokcsi.model.errors import InvalidRequest, RosterAway

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
MISSING, CONFLICT = 404, 409
FAILURES = (client.ApiException, HTTPError, OSError)


def api_client() -> Any:
    """Give a client of the API server; raise InvalidRequest where neither a pod's account nor a kubeconfig is there."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(configuration)
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise InvalidRequest(f"there is no way to a Kubernetes cluster: {error}; set KUBECONFIG") from error
    configuration.retries = False  # who calls decides whether to try again
    return client.ApiClient(configuration)


def asked(method: Any, *arguments: Any, **keywords: Any) -> Any:
    """Make one call of the API; raise RosterAway with what the API server, or the network, said.

    It is waited for no longer than whoever asked us waits: nobody would hear the answer.
    """
    left = current_deadline().remaining_seconds()
    if left == 0.0:
        raise RosterAway("there is no time left to ask the Kubernetes API")
    patience = (
        (CONNECT_SECONDS, ANSWER_SECONDS) if left is None else (min(CONNECT_SECONDS, left), min(ANSWER_SECONDS, left))
    )
    try:
        return method(*arguments, _request_timeout=patience, **keywords)
    except FAILURES as error:
        raise RosterAway(f"the Kubernetes API does not answer as hoped: {told(error)}") from error


def read(method: Any, *arguments: Any, **keywords: Any) -> Any:
    """Ask for one object, as the JSON that the API server sent; None where there is none. Raises RosterAway."""
    try:
        return json.loads(asked(method, *arguments, _preload_content=False, **keywords).data)
    except RosterAway as error:
        if status_of(error) == MISSING:
            return None
        raise
    except ValueError as error:
        raise RosterAway(f"the Kubernetes API does not answer in JSON: {error}") from error


def status_of(error: RosterAway) -> int:
    """Give the HTTP status with which the API server refused; 0 where it did not answer at all."""
    return int(getattr(error.__cause__, "status", 0) or 0)


def told(error: BaseException) -> str:
    """Give a failure in one line."""
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return " ".join(str(error).split())
