"""Where settings come from, and what is said of a wrong one."""

from __future__ import annotations

import errno
import socket
import tomllib
from pathlib import Path

import pytest

from rokcsi.config.reading import EffectiveSettings, read_settings
from rokcsi.config.settings import ServeSettings
from rokcsi.model.errors import InvalidRequest


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    monkeypatch.setenv("ROKCSI_CONFIG", str(empty))
    for name in ("CSI_ENDPOINT", "ROKCSI_HOME", "ROKCSI_POOL", "ROKCSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def origin_of(name: str, effective: EffectiveSettings) -> str:
    return next(setting.origin for setting in effective.settings if setting.name == name)


def test_without_any_source_the_defaults_hold() -> None:
    effective = read_settings()
    assert effective.serve.endpoint == "unix:///var/lib/rokcsi/run/csi.sock"
    assert effective.serve.pool == "loopfile:/var/lib/rokcsi/pool"
    assert effective.serve.driver_name == "rokcsi.dev"
    assert effective.serve.overcommit == 10.0
    assert {setting.origin for setting in effective.settings} == {"default"}


@pytest.mark.parametrize("pool", ["loopfile:/srv/pool", "lvm:vg/thin", "lvm-direct:vg/thin", "zfs:tank/rok"])
def test_a_pool_of_any_kind_is_taken(pool: str) -> None:
    assert read_settings({"pool": pool}).serve.pool == pool


def test_the_pool_and_the_socket_follow_the_home() -> None:
    effective = read_settings({"home": "/srv/rok"})
    assert effective.serve.pool == "loopfile:/srv/rok/pool"
    assert effective.serve.socket == effective.local.socket == Path("/srv/rok/run/csi.sock")
    assert effective.local.catalog == Path("/srv/rok/catalog.sqlite")


def test_the_topology_key_in_force_follows_the_drivers_name() -> None:
    def key(**flags: str) -> object:
        return next(each.value for each in read_settings(flags).settings if each.name == "topology_key")

    assert key() == "topology.rokcsi.dev/node"
    assert key(driver_name="Loop.example.org") == "topology.loop.example.org/node"
    assert key(driver_name="a.dev", topology_key="kubernetes.io/hostname") == "kubernetes.io/hostname"
    assert origin_of("topology_key", read_settings()) == "default"


def test_a_flag_beats_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "rokcsi.toml"
    file.write_text('node_id = "from-file"\ndriver_name = "file.dev"\nmax_workers = 8\n')
    monkeypatch.setenv("ROKCSI_NODE_ID", "from-environment")
    monkeypatch.setenv("ROKCSI_DRIVER_NAME", "environment.dev")
    effective = read_settings({"node_id": "from-flag"}, file)
    assert effective.serve.node_id == "from-flag"
    assert effective.serve.driver_name == "environment.dev"
    assert effective.serve.max_workers == 8
    assert origin_of("node_id", effective) == "flag --node-id"
    assert origin_of("driver_name", effective) == "environment ROKCSI_DRIVER_NAME"
    assert origin_of("max_workers", effective) == f"file {file}"


def test_csi_endpoint_says_the_same_as_rokcsi_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSI_ENDPOINT", "/csi/csi.sock")
    assert read_settings().serve.endpoint == "unix:///csi/csi.sock"
    monkeypatch.setenv("ROKCSI_ENDPOINT", "unix:///other.sock")
    assert read_settings().serve.endpoint == "unix:///other.sock"


def test_several_target_roots_are_separated_by_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROKCSI_TARGET_ROOT", "/var/lib/kubelet,/mnt/kubelet")
    assert read_settings().serve.target_roots == ("/var/lib/kubelet", "/mnt/kubelet")


def test_an_empty_variable_of_the_environment_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROKCSI_NODE_ID", "")
    assert origin_of("node_id", read_settings()) == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "tcp://1.2.3.4:5"),
        ("endpoint", "unix://"),
        ("endpoint", "unix:///" + "x" * 200),
        ("pool", "somewhere"),
        ("pool", "-direct:vg/thin"),
        ("node_id", "two\nlines"),
        ("node_id", "n" * 193),
        ("driver_name", "-dash"),
        ("metrics", "127.0.0.1"),
        ("metrics", "127.0.0.1:70000"),
        ("target_root", ["relative"]),
        ("overcommit", "0.5"),
        ("overcommit", "lots"),
        ("data_limit", "1.2"),
        ("image_size", "big"),
        ("max_workers", "1"),
        ("records", "relative"),
        ("home", "relative"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("topology_key", "a b"),
        ("listen", "9811"),
        ("tls_key", "relative.pem"),
        ("controller_identity", "Not A Name"),
        ("node_identity", "*"),
        ("nodes", "somewhere"),
        ("nodes", "file:relative"),
        ("nodes", "kubernetes:only-a-namespace"),
        ("plugins_registry", "relative"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting_its_origin_and_what_it_should_be(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_settings({name: value})
    assert f"setting {name} = " in str(raised.value)
    assert f"flag --{name.replace('_', '-')}" in str(raised.value)
    assert "It is: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_setting_that_does_not_exist_is_refused_with_the_file_that_has_it(tmp_path: Path) -> None:
    file = tmp_path / "rokcsi.toml"
    file.write_text('pol = "loopfile:/x"\n')
    with pytest.raises(InvalidRequest, match=f"no setting 'pol' .file {file}.; there are: .*pool"):
        read_settings({}, file)


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no settings file"):
        read_settings({}, tmp_path / "missing.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("= 1")
    with pytest.raises(InvalidRequest, match=r"wrong.toml is not TOML: .*line 1"):
        read_settings({}, wrong)


def test_serve_settings_come_back_from_json_as_they_went() -> None:
    serve = read_settings({"target_root": ["/a"], "image_size": "5Gi", "metrics": ":0"}).serve
    assert ServeSettings.from_json(serve.to_json()) == serve
    assert serve.image_size == 5 << 30
    assert serve.metrics is not None


def _is_here(family: socket.AddressFamily, host: str) -> bool:
    with socket.socket(family) as tried:
        return tried.connect_ex((host, 1)) == errno.ECONNREFUSED


def test_a_port_alone_stands_for_all_addresses_of_both_families() -> None:
    metrics = read_settings({"metrics": ":0"}).serve.metrics
    assert metrics is not None
    host = metrics.removesuffix(":0").strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.bind((host, 0))
        server.listen()
        for family, own in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            if _is_here(family, own):
                socket.create_connection((own, server.getsockname()[1]), 5).close()


def test_the_example_settings_file_of_the_reference_is_valid() -> None:
    page = Path("docs/reference/settings.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(example)
