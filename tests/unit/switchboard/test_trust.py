"""Who may call a node over the network, and whom the switchboard takes for a node."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from rokcsi.csi.proto import csi_pb2 as csi
from rokcsi.csi.tls import Certificates
from rokcsi.csi.tls_port import TlsPort
from rokcsi.model.errors import InvalidRequest, SocketTaken
from rokcsi.model.roster import NodeAddress
from rokcsi.switchboard.dialling import Dialling
from rokcsi.switchboard.directory import Directory
from tests.fakes.certificates import Authority, CertificateFiles
from tests.fakes.csi_caller import CsiCaller, Refused, stub_with
from tests.fakes.switchboards import CONTROLLER, DRIVER, KEY, NODES, FakeCluster, MemoryRoster

NOT_LET_IN = grpc.StatusCode.UNAVAILABLE  # what a caller sees of a handshake that failed
OVERRIDE = (("grpc.ssl_target_name_override", NODES),)
Credentials = Callable[[Authority, Path], grpc.ChannelCredentials]


def another(folder: Path) -> Authority:
    return Authority(folder, "another-authority")


PEERS: dict[str, tuple[Credentials, grpc.StatusCode]] = {
    "no certificate": (
        lambda ours, _: grpc.ssl_channel_credentials(ours.certificate.read_bytes()),
        NOT_LET_IN,
    ),
    "a certificate of another authority": (
        lambda ours, folder: credentials(ours, another(folder).issue(CONTROLLER)),
        NOT_LET_IN,
    ),
    "a node's certificate": (
        lambda ours, _: ours.issue(NODES).read().for_callers(),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
    "a name below the controller's": (
        lambda ours, _: ours.issue(f"x.{CONTROLLER}").read().for_callers(),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
    "a wildcard": (
        lambda ours, _: ours.issue("*").read().for_callers(),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
    "the name as a URI": (
        lambda ours, _: ours.issue(CONTROLLER, kind="URI").read().for_callers(),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
}


def credentials(ours: Authority, theirs: Any) -> grpc.ChannelCredentials:
    """Give what somebody has who knows our authority's certificate but has one of another."""
    return grpc.ssl_channel_credentials(
        ours.certificate.read_bytes(), theirs.key.read_bytes(), theirs.certificate.read_bytes()
    )


def node_caller(cluster: FakeCluster, shown: grpc.ChannelCredentials) -> CsiCaller:
    return CsiCaller(grpc.secure_channel(cluster.nodes[0].address, shown, options=OVERRIDE))


@pytest.fixture
def volume(cluster: FakeCluster) -> str:
    place = csi.TopologyRequirement(requisite=[csi.Topology(segments={KEY: "node-1"})])
    return cluster.volume(accessibility_requirements=place).volume_id


@pytest.mark.parametrize("who", PEERS)
def test_nobody_but_the_controller_may_call_a_node(cluster: FakeCluster, volume: str, who: str, tmp_path: Path) -> None:
    make, expected = PEERS[who]
    caller = node_caller(cluster, make(cluster.authority, tmp_path))
    for method, request in (
        ("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume)),
        ("GetPluginInfo", csi.GetPluginInfoRequest()),
        ("ListVolumes", csi.ListVolumesRequest()),
    ):
        with pytest.raises(Refused) as refused:
            caller.call(method, request, timeout=10)
        assert refused.value.code is expected
    assert len(cluster.nodes[0].pool.volumes()) == 1
    caller.channel.close()


def test_a_caller_without_tls_gets_nothing(cluster: FakeCluster, volume: str) -> None:
    with grpc.insecure_channel(cluster.nodes[0].address) as channel, pytest.raises(Refused) as refused:
        CsiCaller(channel).call("DeleteVolume", csi.DeleteVolumeRequest(volume_id=volume), timeout=10)
    assert refused.value.code is NOT_LET_IN


def test_the_controller_may_call_a_node(cluster: FakeCluster, volume: str) -> None:
    caller = node_caller(cluster, cluster.authority.issue(CONTROLLER).read().for_callers())
    assert caller.call("ListVolumes", csi.ListVolumesRequest()).entries[0].volume.volume_id == volume
    caller.channel.close()


def test_nothing_of_the_node_service_is_offered_over_the_network(cluster: FakeCluster, volume: str) -> None:
    caller = node_caller(cluster, cluster.authority.issue(CONTROLLER).read().for_callers())
    for method in csi.DESCRIPTOR.services_by_name["Node"].methods_by_name:
        with pytest.raises(Refused) as refused:
            caller.call(method, getattr(csi, f"{method}Request")())
        assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED
    caller.channel.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(
    ("version", "welcome"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
def test_tls_older_than_1_2_is_refused(cluster: FakeCluster, version: ssl.TLSVersion, *, welcome: bool) -> None:
    files = cluster.authority.issue(CONTROLLER)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.authorities)
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else openssl itself does not offer TLS 1.1
    context.minimum_version = context.maximum_version = version
    host, _, port = cluster.nodes[0].address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        if welcome:
            with context.wrap_socket(raw, server_hostname=NODES) as secured:
                assert secured.version() == version.name.replace("_", ".")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(raw, server_hostname=NODES)


def announced_by(cluster: FakeCluster, certificates: Certificates, driver: str = DRIVER) -> list[str]:
    """Give why a switchboard with these certificates does not take the first node for one; empty where it does."""
    roster = MemoryRoster()
    roster.nodes = frozenset({NodeAddress(cluster.nodes[0].address)})
    directory = Directory(roster, Dialling(certificates, NODES, driver, 4), 4)
    directory.answering()
    found = [line.heard.why_away for line in directory.away()]
    directory.close()
    return found


def comes_again(cluster: FakeCluster, files: CertificateFiles) -> None:
    """Have the first node served anew, with this certificate."""
    cluster.nodes[0].leave()
    cluster.nodes[0].files = files
    cluster.nodes[0].come()


def test_a_server_that_is_not_called_a_node_is_none(cluster: FakeCluster) -> None:
    comes_again(cluster, cluster.authority.issue("somebody-else"))
    [why] = announced_by(cluster, cluster.authority.issue(CONTROLLER).read())
    assert why.startswith("UNAVAILABLE")


def test_a_server_of_another_authority_is_no_node(cluster: FakeCluster, tmp_path: Path) -> None:
    comes_again(cluster, another(tmp_path).issue(NODES))
    [why] = announced_by(cluster, cluster.authority.issue(CONTROLLER).read())
    assert why.startswith("UNAVAILABLE")


def test_either_side_may_take_its_new_certificate_first_when_the_authority_was_renewed_with_its_key(
    cluster: FakeCluster,
) -> None:
    before, after = cluster.authority, cluster.authority.renewed()
    assert before.certificate.read_bytes() != after.certificate.read_bytes()
    assert announced_by(cluster, after.issue(CONTROLLER).read()) == []
    comes_again(cluster, after.issue(NODES))
    assert announced_by(cluster, before.issue(CONTROLLER).read()) == []


def test_a_switchboard_takes_no_node_whose_certificate_has_expired(cluster: FakeCluster) -> None:
    comes_again(cluster, cluster.authority.issue(NODES, days=-1))
    [why] = announced_by(cluster, cluster.authority.issue(CONTROLLER).read())
    assert why.startswith("UNAVAILABLE")
    assert "certificate has expired" in why


def test_a_node_takes_no_switchboard_whose_certificate_has_expired(cluster: FakeCluster) -> None:
    [why] = announced_by(cluster, cluster.authority.issue(CONTROLLER, days=-1).read())
    assert why.startswith("UNAVAILABLE")


def test_a_node_of_another_driver_is_none(cluster: FakeCluster) -> None:
    [why] = announced_by(cluster, cluster.authority.issue(CONTROLLER).read(), driver="rok.example.com")
    assert why == "the driver 'rokcsi.dev' answers there, not rok.example.com"


def test_a_switchboard_with_the_wrong_name_is_told_by_its_nodes(cluster: FakeCluster) -> None:
    [why] = announced_by(cluster, cluster.authority.issue("somebody").read())
    assert why.startswith("PERMISSION_DENIED")
    assert "somebody, not rokcsi-controller" in why


def test_a_call_meant_for_another_pool_is_not_carried_out(cluster: FakeCluster, volume: str) -> None:
    caller = node_caller(cluster, cluster.authority.issue(CONTROLLER).read().for_callers())
    stub = stub_with(caller.channel, "DeleteVolume")
    with pytest.raises(grpc.RpcError) as refused:
        stub.DeleteVolume(csi.DeleteVolumeRequest(volume_id=volume), timeout=10, metadata=(("rokcsi-pool", "f" * 32),))
    told: Any = refused.value
    assert told.code() is grpc.StatusCode.UNAVAILABLE
    assert len(cluster.nodes[0].pool.volumes()) == 1
    caller.channel.close()


@pytest.mark.parametrize("broken", ["certificate", "key", "authorities"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_file_that_is_missing_or_something_else_is_named(
    authority: Authority, tmp_path: Path, broken: str, content: bytes | None
) -> None:
    files = authority.issue(CONTROLLER)
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_bytes(content)
    paths = {"certificate": files.certificate, "key": files.key, "authorities": files.authorities, broken: wrong}
    with pytest.raises(InvalidRequest, match=r"wrong\.pem"):
        Certificates.read(**paths)


def test_a_port_that_somebody_has_is_one_clear_line(authority: Authority) -> None:
    certificates = authority.issue(NODES).read()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = grpc.server(ThreadPoolExecutor(1), options=(("grpc.so_reuseport", 0),))
        with pytest.raises(SocketTaken, match="choose another --listen"):
            TlsPort(address, certificates).bind(server)
