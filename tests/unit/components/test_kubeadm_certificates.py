from __future__ import annotations

import pytest
from kubefort.kubeadm.certificates import AUTHORITY_FILES, Certificate, certificate, certificates
from kubefort.model.spec import Node

from tests.unit.components.specs import CP1, CP2, VIP, W1, make_cluster

CONTROL_PLANES = [
    "apiserver",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "etcd/server",
    "etcd/peer",
    "etcd/healthcheck-client",
    "apiserver-etcd-client",
    "admin.conf",
    "super-admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
    "kubelet",
]


def named(name: str, version: str = "v1.36.2", node: Node = CP1, **cluster: object) -> Certificate:
    found = certificate(name, make_cluster(version, **cluster), node, (CP1, CP2))
    assert found is not None
    return found


def test_a_control_plane_host_has_all_certificates_once() -> None:
    assert [c.name for c in certificates(make_cluster(), CP1)] == CONTROL_PLANES


def test_before_1_29_there_is_no_super_admin() -> None:
    assert certificate("super-admin.conf", make_cluster("v1.28.0"), CP1) is None


def test_a_worker_has_kubelets_certificate_only() -> None:
    (kubelet,) = certificates(make_cluster(), W1, (CP1,))
    assert (kubelet.common_name, kubelet.organizations) == ("system:node:w1", ("system:nodes",))
    assert kubelet.usages == ("client",)
    assert certificate("apiserver", make_cluster(), W1) is None


def test_names_of_the_api_server() -> None:
    found = named("apiserver", vip=VIP, endpoint="api.example.org:8443", cert_sans=("10.9.9.9", "k.example.org"))
    assert found.dns_names == (
        "cp1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "api.example.org",
        "k.example.org",
    )
    assert found.ip_addresses == ("10.96.0.1", "10.30.0.11", "10.30.0.100", "10.9.9.9")
    assert found.usages == ("server",)


def test_a_name_stands_once_and_ipv6_in_its_short_form() -> None:
    found = named("apiserver", node=Node("six", "fd00:0:0::11", "control-plane"), endpoint="[fd00::11]:6443")
    assert found.ip_addresses == ("10.96.0.1", "fd00::11")


@pytest.mark.parametrize("name", ["etcd/server", "etcd/peer"])
def test_etcds_certificates_serve_and_call(name: str) -> None:
    found = named(name, node=CP2)
    assert (found.common_name, found.authority, found.organizations) == ("cp2", "etcd", ())
    assert found.usages == ("server", "client")
    assert found.dns_names == ("cp2", "localhost")
    assert found.ip_addresses == ("10.30.0.12", "127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("name", "version", "organizations"),
    [
        ("admin.conf", "v1.28.0", ("system:masters",)),
        ("admin.conf", "v1.29.0", ("kubeadm:cluster-admins",)),
        ("super-admin.conf", "v1.29.0", ("system:masters",)),
        ("apiserver-etcd-client", "v1.28.0", ("system:masters",)),
        ("apiserver-etcd-client", "v1.29.0", ()),
        ("etcd/healthcheck-client", "v1.20.2", ("system:masters",)),
        ("controller-manager.conf", "v1.36.2", ()),
        ("scheduler.conf", "v1.20.2", ()),
    ],
)
def test_organizations(name: str, version: str, organizations: tuple[str, ...]) -> None:
    assert named(name, version).organizations == organizations


def test_each_certificate_has_a_place_of_its_own() -> None:
    every = certificates(make_cluster(), CP1)
    places = [str(c.path or c.kubeconfig) for c in every]
    assert len(set(places)) == len(places)
    assert [c.name for c in every if c.path is not None and c.kubeconfig is not None] == ["kubelet"]
    assert str(named("etcd/peer").path) == "/etc/kubernetes/pki/etcd/peer.crt"
    assert str(named("scheduler.conf").kubeconfig) == "/etc/kubernetes/scheduler.conf"


def test_front_proxys_client_has_an_authority_of_its_own() -> None:
    found = named("front-proxy-client")
    assert str(AUTHORITY_FILES[found.authority]) == "/etc/kubernetes/pki/front-proxy-ca.crt"
