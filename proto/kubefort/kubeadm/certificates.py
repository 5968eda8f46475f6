"""Every certificate a host has, as kubeadm makes them (cmd/kubeadm/app/phases/certs/certlist.go, pki_helpers.go).

The agent makes key and request from this table, the coordinator signs by its own copy of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kubefort.kubeadm.addresses import endpoint, service_address, split_endpoint
from kubefort.kubeadm.versions import Rules, parse, rules
from kubefort.model.cluster import CONTROL_PLANE, Cluster
from kubefort.model.spec import Node
from kubefort.paths import KUBELET, KUBERNETES, PKI

Authority = Literal["kubernetes", "etcd", "front-proxy"]
Usage = Literal["server", "client"]

AUTHORITY_FILES: dict[Authority, Path] = {
    "kubernetes": PKI / "ca.crt",
    "etcd": PKI / "etcd/ca.crt",
    "front-proxy": PKI / "front-proxy-ca.crt",
}
AUTHORITY_COMMON_NAMES: dict[Authority, str] = {
    "kubernetes": "kubernetes",
    "etcd": "etcd-ca",
    "front-proxy": "front-proxy-ca",
}
AUTHORITY_YEARS = 10
LEAF_DAYS = 365
BACKDATED_MINUTES = 5

KUBELET_PEM = KUBELET / "pki/kubelet-client-current.pem"


@dataclass(frozen=True)
class Certificate:
    """A certificate's subject, names and place.

    path         the .crt (its .key lies beside it), or kubelet's PEM with both; None: only in a kubeconfig
    kubeconfig   the kubeconfig that uses it
    """

    name: str
    authority: Authority
    common_name: str
    organizations: tuple[str, ...] = ()
    usages: tuple[Usage, ...] = ("client",)
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    path: Path | None = None
    kubeconfig: Path | None = None


def certificates(cluster: Cluster, node: Node, peers: tuple[Node, ...] = ()) -> tuple[Certificate, ...]:
    """All certificates that the host `node` may have."""
    kubelet = Certificate(
        "kubelet",
        "kubernetes",
        f"system:node:{node.name}",
        ("system:nodes",),
        path=KUBELET_PEM,
        kubeconfig=KUBERNETES / "kubelet.conf",
    )
    if node.role != CONTROL_PLANE:
        return (kubelet,)
    table = rules(parse(cluster.kubernetes_version))
    return (*_api(cluster, node, peers, table), *_etcd(node, table), *_kubeconfigs(table), kubelet)


def certificate(name: str, cluster: Cluster, node: Node, peers: tuple[Node, ...] = ()) -> Certificate | None:
    """The certificate of that name, None where the host has none."""
    return next((c for c in certificates(cluster, node, peers) if c.name == name), None)


def _api(cluster: Cluster, node: Node, peers: tuple[Node, ...], table: Rules) -> Iterable[Certificate]:
    names = (
        node.name,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{cluster.domain}",
        service_address(cluster, 1),
        node.address,
        split_endpoint(endpoint(cluster, node, peers))[0],
        *((cluster.vip.address.partition("/")[0],) if cluster.vip else ()),
        *cluster.cert_sans,
    )
    dns, addresses = _split(names)
    yield Certificate(
        "apiserver", "kubernetes", "kube-apiserver", (), ("server",), dns, addresses, PKI / "apiserver.crt"
    )
    yield Certificate(
        "apiserver-kubelet-client",
        "kubernetes",
        "kube-apiserver-kubelet-client",
        _organization(table.apiserver_kubelet_client_organization),
        path=PKI / "apiserver-kubelet-client.crt",
    )
    yield Certificate("front-proxy-client", "front-proxy", "front-proxy-client", path=PKI / "front-proxy-client.crt")


def _etcd(node: Node, table: Rules) -> Iterable[Certificate]:
    dns, addresses = _split((node.name, "localhost", node.address, "127.0.0.1", "::1"))
    for role in ("server", "peer"):
        yield Certificate(
            f"etcd/{role}", "etcd", node.name, (), ("server", "client"), dns, addresses, PKI / f"etcd/{role}.crt"
        )
    organization = _organization(table.etcd_client_organization)
    yield Certificate(
        "etcd/healthcheck-client",
        "etcd",
        "kube-etcd-healthcheck-client",
        organization,
        path=PKI / "etcd/healthcheck-client.crt",
    )
    yield Certificate(
        "apiserver-etcd-client",
        "etcd",
        "kube-apiserver-etcd-client",
        organization,
        path=PKI / "apiserver-etcd-client.crt",
    )


def _kubeconfigs(table: Rules) -> Iterable[Certificate]:
    subjects = [("admin.conf", "kubernetes-admin", table.admin_organization)]
    if table.super_admin:
        subjects.append(("super-admin.conf", "kubernetes-super-admin", "system:masters"))
    subjects.append(("controller-manager.conf", "system:kube-controller-manager", ""))
    subjects.append(("scheduler.conf", "system:kube-scheduler", ""))
    for name, common_name, organization in subjects:
        yield Certificate(name, "kubernetes", common_name, _organization(organization), kubeconfig=KUBERNETES / name)


def _organization(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _split(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS names and IP addresses apart, each once, in order."""
    dns: dict[str, None] = {}
    addresses: dict[str, None] = {}
    for name in names:
        try:
            addresses[str(ipaddress.ip_address(name))] = None
        except ValueError:
            dns[name] = None
    return tuple(dns), tuple(addresses)
