"""What each role of a cluster has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rokcsi.config.reading import read_settings
from rokcsi.config.roles import NodeSettings, SwitchboardSettings, TimelineSettings
from rokcsi.config.settings import AdmissionSettings
from rokcsi.model.errors import InvalidRequest

TLS = {"tls_certificate": "/tls/tls.crt", "tls_key": "/tls/tls.key", "tls_authorities": "/tls/ca.crt"}
NODE = {**TLS, "listen": "0.0.0.0:9811"}
CONTROLLER = {**TLS, "nodes": "kubernetes:rok/rokcsi-nodes"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rokcsi.config.reading.DEFAULT_FILE", tmp_path / "none.toml")


def node(flags: dict[str, Any]) -> NodeSettings:
    effective = read_settings(flags)
    return NodeSettings.of(effective.serve, effective.network, effective.checkpoints)


def controller(flags: dict[str, Any]) -> SwitchboardSettings:
    effective = read_settings(flags)
    return SwitchboardSettings.of(effective.serve, effective.network, effective.checkpoints)


def timeline(flags: dict[str, Any]) -> TimelineSettings:
    effective = read_settings(flags)
    return TimelineSettings.of(effective.serve, effective.network, effective.checkpoints)


def test_a_node_comes_back_from_json_as_it_went() -> None:
    settings = node({**NODE, "plugins_registry": "/var/lib/kubelet/plugins_registry", "target_root": ["/a"]})
    assert NodeSettings.from_json(settings.to_json()) == settings
    assert settings.controller_identity == "rokcsi-controller"
    assert settings.driver.target_roots == ("/a",)


def test_a_switchboard_comes_back_from_json_as_it_went() -> None:
    settings = controller(CONTROLLER)
    assert SwitchboardSettings.from_json(settings.to_json()) == settings
    assert settings.node_identity == "rokcsi-node"


def test_a_timeline_comes_back_from_json_as_it_went() -> None:
    settings = timeline(CONTROLLER)
    assert TimelineSettings.from_json(settings.to_json()) == settings
    assert settings.node_identity == "rokcsi-node"


def test_the_api_server_sees_the_timelines_own_certificate_unless_told_otherwise() -> None:
    assert timeline(CONTROLLER).admission is None
    asked = timeline({**CONTROLLER, "admission": "0.0.0.0:9815"})
    assert asked.admission == AdmissionSettings("0.0.0.0:9815", "/tls/tls.crt", "/tls/tls.key")
    assert TimelineSettings.from_json(asked.to_json()) == asked
    own = timeline(
        {
            **CONTROLLER,
            "admission": "0.0.0.0:9815",
            "admission_certificate": "/own/tls.crt",
            "admission_key": "/own/tls.key",
        }
    )
    assert own.admission == AdmissionSettings("0.0.0.0:9815", "/own/tls.crt", "/own/tls.key")


@pytest.mark.parametrize("name", ["admission_certificate", "admission_key"])
def test_a_certificate_without_its_key_is_named_and_the_other_way_round(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"the setting admission_(certificate|key) is not set"):
        timeline({**CONTROLLER, "admission": "0.0.0.0:9815", name: "/own/file"})


@pytest.mark.parametrize("name", NODE)
def test_a_node_names_what_it_lacks(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"the setting {name} is not set"):
        node({key: value for key, value in NODE.items() if key != name})


@pytest.mark.parametrize("name", CONTROLLER)
def test_a_switchboard_and_a_timeline_name_what_they_lack(name: str) -> None:
    for role in (controller, timeline):
        with pytest.raises(InvalidRequest, match=f"the setting {name} is not set"):
            role({key: value for key, value in CONTROLLER.items() if key != name})


def test_a_node_that_is_told_no_folder_of_kubelets_does_not_register() -> None:
    assert node(NODE).plugins_registry is None
