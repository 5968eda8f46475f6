"""The table of who may call what, and the authorities behind it."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from kubefort import identity
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.model.status import Facts
from kubefort.v1 import control_pb2, fleet_pb2
from kubefort_coordinator.authority import Authority
from kubefort_coordinator.pki import Pki, may_fetch
from kubefort_coordinator.records import HostRecord, OperatorRecord, Records
from kubefort_coordinator.services.access import ACCESS, address_of, authorise, status_of
from kubefort_coordinator.store.sqlite import SqliteStore


def methods() -> set[str]:
    services = [
        *control_pb2.DESCRIPTOR.services_by_name.values(),
        *fleet_pb2.DESCRIPTOR.services_by_name.values(),
    ]
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(SqliteStore(tmp_path / "db"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Pki(tmp_path).fleet


def certificate(authority: Authority, name: str, organization: str) -> str:
    return authority.issue(name, (organization,))[1]


def test_every_method_has_a_row_and_only_enrolment_needs_no_certificate() -> None:
    assert set(ACCESS) == methods()
    assert [method for method, allowed in ACCESS.items() if not allowed] == ["/kubefort.v1.EnrolmentService/Enrol"]


@pytest.mark.parametrize("method", sorted(ACCESS))
def test_each_method_lets_in_whom_the_table_names(records: Records, authority: Authority, method: str) -> None:
    agent, operator = (certificate(authority, "x", each) for each in (identity.AGENTS, identity.OPERATORS))
    facts = Facts("x", "m", "192.0.2.1")
    records.put_host(HostRecord("x", "worker", "192.0.2.1", facts, 0, identities=(identity.pin(agent),)))
    records.put_operator(OperatorRecord("x", (identity.pin(operator),)))
    for pem, organization in ((agent, identity.AGENTS), (operator, identity.OPERATORS)):
        if organization in ACCESS[method]:
            assert authorise(method, pem, "a", records).name == "x"
        elif ACCESS[method]:
            with pytest.raises(Refused, match="may not call"):
                authorise(method, pem, "a", records)


def test_unknown_methods_callers_and_keys_are_refused(records: Records, authority: Authority) -> None:
    pem = certificate(authority, "x", identity.AGENTS)
    with pytest.raises(Refused, match="nobody may call"):
        authorise("/kubefort.v1.Other/Call", pem, "a", records)
    with pytest.raises(Refused, match="not known"):
        authorise("/kubefort.v1.FleetService/Connect", pem, "a", records)
    facts = Facts("x", "m", "192.0.2.1")
    records.put_host(HostRecord("x", "worker", "192.0.2.1", facts, 0, identities=("sha256:another",)))
    with pytest.raises(Refused, match="replaced or revoked"):
        authorise("/kubefort.v1.FleetService/Connect", pem, "a", records)
    with pytest.raises(Refused, match="certificate is needed"):
        authorise("/kubefort.v1.FleetService/Connect", "", "a", records)


@pytest.mark.parametrize(
    ("peer", "address"), [("ipv4:192.0.2.1:4711", "192.0.2.1"), ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1")]
)
def test_the_address_of_a_peer(peer: str, address: str) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("m", "h"), grpc.StatusCode.INVALID_ARGUMENT),
        (Refused("m", "h"), grpc.StatusCode.PERMISSION_DENIED),
        (Unavailable("m", "h"), grpc.StatusCode.UNAVAILABLE),
        (KubefortError("m", "h"), grpc.StatusCode.INTERNAL),
    ],
)
def test_errors_travel_with_their_hint(error: KubefortError, code: grpc.StatusCode) -> None:
    assert status_of(error) == (code, "m\nh")


def test_a_worker_needs_one_secret_only() -> None:
    assert may_fetch("worker", "pki/ca.crt")
    keys = ("pki/ca.key", "pki/etcd/ca.key", "pki/front-proxy-ca.key", "pki/sa.key")
    secrets = (*keys, "vip-key-1", "encryption-config")
    assert not any(may_fetch("worker", name) for name in secrets)
    assert all(may_fetch("control-plane", name) for name in secrets)
    assert not may_fetch("control-plane", "../pki/fleet-ca.key")


def test_authorities_survive_and_a_key_without_certificate_is_kept(tmp_path: Path) -> None:
    first = Pki(tmp_path).cluster("etcd")
    assert Pki(tmp_path).cluster("etcd") == first
    folder = tmp_path / "pki/cluster/etcd"
    (folder / "ca.crt").unlink()
    again = Pki(tmp_path).cluster("etcd")
    assert again.key == first.key
    assert identity.pin(again.certificate) == identity.pin(first.certificate)
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600


def test_nothing_of_a_request_is_taken_but_its_key(authority: Authority) -> None:
    from cryptography import x509

    key = identity.new_key("RSA-2048")
    request = identity.certificate_request(key, "system:admin")
    signed = authority.sign(request, "node-1", ("o",), ("server",), ("node-1",), ("192.0.2.1", "2001:db8::1"))
    loaded = x509.load_pem_x509_certificate(signed.encode())
    assert loaded.subject.rfc4514_string() == "CN=node-1,O=o"
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node-1"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    loaded.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.encode()))


def test_a_node_name_may_be_longer_than_x509_likes(authority: Authority) -> None:
    name = f"system:node:{'a' * 63}"
    assert authority.sign(identity.certificate_request(identity.new_key(), name), name)


def test_a_damaged_request_is_refused(authority: Authority) -> None:
    with pytest.raises(InvalidInput, match="not a certificate request"):
        authority.sign("nonsense", "x")
