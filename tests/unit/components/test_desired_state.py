from __future__ import annotations

from collections.abc import Iterable

import pytest
from kubefort.model.spec import Node, NodeSpec, Stage
from kubefort_agent.desired import probes, resources
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import (
    CertificateFiles,
    Kubeconfig,
    Masquerade,
    Resource,
    Route,
    Secret,
    StaticPod,
    Unit,
)

from tests.unit.components.specs import CP1, CP2, EXISTING, KEYS, VIP, W1, make_cluster, make_spec

FACTS = HostFacts(containerd_version="1.7.24")


def keys(spec: NodeSpec) -> list[str]:
    return [resource.key for resource in resources(spec, FACTS)]


def names(found: Iterable[Resource], kind: type) -> list[str]:
    return [r.key.split(" ", 1)[1] for r in found if isinstance(r, kind)]


STAGES: list[tuple[Node, Stage, list[str], list[str]]] = [
    (CP1, "absent", [], []),
    (CP1, "enrolled", [], []),
    (CP1, "prepared", ["containerd.service"], []),
    (CP1, "etcd", ["containerd.service", "kubelet.service"], ["etcd"]),
    (
        CP1,
        "control-plane",
        ["containerd.service", "kubelet.service"],
        ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"],
    ),
    (
        CP1,
        "node",
        ["containerd.service", "kubelet.service", "kubefort-vip.service"],
        ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"],
    ),
    (W1, "prepared", ["containerd.service"], []),
    (W1, "control-plane", ["containerd.service"], []),
    (W1, "node", ["containerd.service", "kubelet.service"], []),
]


@pytest.mark.parametrize(("node", "stage", "units", "pods"), STAGES)
def test_what_runs_at_each_stage(node: Node, stage: Stage, units: list[str], pods: list[str]) -> None:
    found = resources(make_spec(make_cluster(vip=VIP), node, stage=stage), FACTS)
    assert names(found, Unit) == units
    assert names(found, StaticPod) == pods


@pytest.mark.parametrize("node", [CP1, W1])
def test_each_stage_keeps_all_of_the_one_before(node: Node) -> None:
    before: set[str] = set()
    for stage in ("absent", "enrolled", "prepared", "etcd", "control-plane", "node"):
        now = set(keys(make_spec(make_cluster(vip=VIP), node, stage=stage, vip_keys=KEYS)))
        assert before <= now
        before = now


@pytest.mark.parametrize("node", [CP1, W1])
@pytest.mark.parametrize("version", ["v1.20.2", "v1.30.0", "v1.36.2", "v1.40.0"])
def test_keys_are_unique_and_the_list_is_the_same_each_time(node: Node, version: str) -> None:
    spec = make_spec(make_cluster(version, vip=VIP), node, vip_keys=KEYS)
    found = keys(spec)
    assert len(set(found)) == len(found)
    assert resources(spec, FACTS) == resources(spec, FACTS)


def test_what_others_need_comes_first() -> None:
    found = keys(make_spec(make_cluster(vip=VIP), vip_keys=KEYS))
    order = [
        "swap",
        "module br_netfilter",
        "sysctl net.bridge.bridge-nf-call-iptables",
        "file /etc/containerd/config.toml",
        "unit containerd.service",
        "image registry.k8s.io/etcd:tag",
        "binary kubelet v1.36.2",
        "link /usr/local/bin/kubelet",
        "secret /etc/kubernetes/pki/etcd/ca.crt",
        "certificate etcd/server",
        "kubeconfig scheduler.conf",
        "file /var/lib/kubelet/config.yaml",
        "unit kubelet.service",
        "static-pod etcd",
        "static-pod kube-apiserver",
        "secret /var/lib/kubefort/secrets/vip-key-1",
        "virtual IP",
        "unit kubefort-vip.service",
    ]
    assert [key for key in found if key in order] == order


def test_a_worker_gets_no_secret_but_the_public_authority() -> None:
    found = resources(make_spec(make_cluster(vip=VIP, encryption_at_rest=True), W1, vip_keys=KEYS), FACTS)
    assert names(found, Secret) == ["/etc/kubernetes/pki/ca.crt"]
    assert names(found, CertificateFiles) == names(found, Kubeconfig) == ["kubelet"]


def test_secrets_of_a_control_plane_host() -> None:
    found = resources(make_spec(make_cluster(encryption_at_rest=True)), FACTS)
    secrets = {s.name: s for s in found if isinstance(s, Secret)}
    assert set(secrets) == {
        *("pki/ca.crt", "pki/ca.key", "pki/front-proxy-ca.crt", "pki/front-proxy-ca.key"),
        *("pki/etcd/ca.crt", "pki/etcd/ca.key", "pki/sa.key", "pki/sa.pub", "encryption-config"),
    }
    private = {name for name, secret in secrets.items() if secret.mode == 0o600}
    assert private == {name for name in secrets if name.endswith(".key")} | {"encryption-config"}


def test_kubeconfigs_of_a_control_plane_host_use_its_own_api_server() -> None:
    found = [r for r in resources(make_spec(node=CP2, etcd=EXISTING), FACTS) if isinstance(r, Kubeconfig)]
    assert {r.server for r in found} == {"https://10.30.0.12:6443"}


def test_super_admin_is_on_the_first_host_only() -> None:
    first = keys(make_spec())
    later = keys(make_spec(node=CP2, etcd=EXISTING))
    old = keys(make_spec(make_cluster("v1.28.0")))
    assert ["kubeconfig super-admin.conf" in found for found in (first, later, old)] == [True, False, False]


def test_routes_lead_to_every_other_hosts_pods() -> None:
    found = resources(make_spec(), FACTS)
    assert [r for r in found if isinstance(r, Route)] == [
        Route("10.244.1.0/24", "10.30.0.12"),
        Route("10.244.2.0/24", "10.30.0.21"),
    ]
    assert [r.sources for r in found if isinstance(r, Masquerade)] == [("10.244.0.0/16",)]


def test_only_networks_of_the_addresss_family_are_routed_by_it() -> None:
    peer = Node("w9", "10.30.0.29", "worker", ("10.244.9.0/24", "fd00:2:0:9::/64"))
    found = resources(make_spec(peers=(peer,)), FACTS)
    assert names(found, Route) == ["10.244.9.0/24"]


def test_no_routes_where_the_pod_network_is_not_ours() -> None:
    found = resources(make_spec(make_cluster(pod_network="manifest")), FACTS)
    assert not [r for r in found if isinstance(r, Route | Masquerade)]


def test_pods_of_ipv6_need_forwarding_of_ipv6() -> None:
    forwarding = "sysctl net.ipv6.conf.all.forwarding"
    assert forwarding in keys(make_spec(make_cluster(pod_subnets=("10.244.0.0/16", "fd00:2::/56"))))
    assert forwarding not in keys(make_spec())


def test_no_virtual_ip_no_vip_unit() -> None:
    assert not [key for key in keys(make_spec()) if "vip" in key or "virtual" in key]


@pytest.mark.parametrize(
    ("node", "stage", "components"),
    [
        (CP1, "prepared", []),
        (CP1, "etcd", ["kubelet", "etcd"]),
        (CP1, "node", ["kubelet", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
        (W1, "control-plane", []),
        (W1, "node", ["kubelet"]),
    ],
)
def test_probes_of_each_stage(node: Node, stage: Stage, components: list[str]) -> None:
    assert [probe.component for probe in probes(make_spec(node=node, stage=stage))] == components


def test_only_loopback_is_trusted_without_an_authority() -> None:
    for probe in probes(make_spec()):
        assert probe.authority is not None or probe.url.split("://")[1].startswith("127.0.0.1:")
