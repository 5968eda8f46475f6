from __future__ import annotations

from typing import Any

import pytest
from kubefort.clusterrules import validate
from kubefort.model.cluster import Cluster, ComponentSettings, HostEntry, Taint, VirtualIP, Volume


def problems(hosts: tuple[HostEntry, ...] = (), **changes: Any) -> list[str]:
    cluster = Cluster(**{"kubernetes_version": "v1.36.2", **changes})
    return [f"{p.severity}: {p}" for p in validate(cluster, hosts)]


def volume(**changes: Any) -> dict[str, ComponentSettings]:
    values = {"name": "a", "host_path": "/a", "mount_path": "/b"} | changes
    return {"etcd": ComponentSettings(extra_volumes=(Volume(**values),))}


SETTINGS = [
    ({"kubernetes_version": "latest"}, "error: kubernetesVersion: 'latest' is no Kubernetes version"),
    ({"kubernetes_version": "1.36.2"}, 'error: kubernetesVersion: "1.36.2" needs a v before it: v1.36.2'),
    ({"kubernetes_version": "v1.19.9"}, "error: kubernetesVersion: Kubernetes v1.19.9 is older than v1.20"),
    ({"kubernetes_version": "v1.38.0"}, "warning: kubernetesVersion: v1.38.0 is newer than what is known (1.37)"),
    ({"name": "My Cluster"}, 'error: name: "My Cluster"'),
    ({"domain": "cluster..local"}, 'error: domain: "cluster..local"'),
    ({"endpoint": "api.example"}, 'error: endpoint: "api.example" must be host:port, for example api.example:6443'),
    ({"endpoint": "api:70000"}, 'error: endpoint: "api:70000" must be host:port'),
    (
        {"endpoint": "fd00::1:6443"},
        'error: endpoint: "fd00::1:6443": an IPv6 address, and only that, stands in',
    ),
    ({"endpoint": "[10.0.0.1]:6443"}, 'error: endpoint: "[10.0.0.1]:6443": an IPv6'),
    ({"endpoint": "a_b:6443"}, 'error: endpoint: "a_b" is neither an IP address nor a DNS name'),
    ({"endpoint": "10.100.0.1:6443"}, "error: endpoint: 10.100.0.1 lies inside serviceSubnets[0]"),
    ({"vip": VirtualIP("10.0.0")}, 'error: vip.address: "10.0.0" is not an IP address'),
    ({"vip": VirtualIP("127.0.0.1")}, "error: vip.address: 127.0.0.1 cannot be an address of a host"),
    ({"vip": VirtualIP("10.244.9.9")}, "error: vip.address: 10.244.9.9 lies inside podSubnets[0]"),
    ({"vip": VirtualIP("10.0.0.9", vrid=0)}, "error: vip.vrid: 0 is not within 1 to 255"),
    ({"vip": VirtualIP("10.0.0.9", interval_ms=15)}, "error: vip.intervalMs: 15 is not a multiple of 10"),
    ({"vip": VirtualIP("10.0.0.9", interval_ms=40960)}, "error: vip.intervalMs: 40960"),
    ({"vip": VirtualIP("10.0.0.9", interface="a/b")}, 'error: vip.interface: "a/b"'),
    ({"pod_subnets": ()}, "error: podSubnets: at least one subnet is needed"),
    ({"pod_subnets": ("10.244.0.0",)}, 'error: podSubnets[0]: "10.244.0.0" has no prefix length'),
    ({"pod_subnets": ("10.244.1.0/16",)}, 'error: podSubnets[0]: "10.244.1.0/16" has bits set behind its prefix'),
    ({"pod_subnets": ("pods",)}, 'error: podSubnets[0]: "pods" is not a subnet'),
    ({"pod_subnets": ("10.1.0.0/16", "10.2.0.0/16")}, "error: podSubnets: at most one IPv4 and one IPv6"),
    ({"pod_subnets": ("10.244.0.0/25",)}, "error: podSubnets[0]: 10.244.0.0/25 is too small"),
    (
        {"pod_subnets": ("10.0.0.0/7",), "service_subnets": ("192.168.0.0/16",)},
        "error: podSubnets[0]: 10.0.0.0/7 is",
    ),
    ({"service_subnets": ("10.96.0.0/29",)}, "error: serviceSubnets[0]: 10.96.0.0/29 is too small"),
    ({"service_subnets": ("172.0.0.0/8",)}, "error: serviceSubnets[0]: 172.0.0.0/8 is too large"),
    ({"service_subnets": ("10.244.0.0/20",)}, "error: serviceSubnets[0]: 10.244.0.0/20 overlaps podSubnets[0]"),
    (
        {"service_subnets": ("10.96.0.0/12", "fd01::/112")},
        "error: serviceSubnets: pods and Services need",
    ),
    (
        {"components": {"kube-proxy": ComponentSettings(run_mode="systemd")}},
        "error: components.kube-proxy.runMode: kube-proxy runs as a DaemonSet: it has no other run mode",
    ),
    (
        {"components": {"kubelet": ComponentSettings(run_mode="docker")}},
        "error: components.kubelet.runMode: kubelet is a service of systemd always",
    ),
    (
        {"components": {"etcd": ComponentSettings(run_mode="docker", patch={"spec": {}})}},
        "warning: components.etcd.patch: not used: a patch changes a manifest, and runMode is docker",
    ),
    ({"pod_network": "manifest"}, "error: podNetwork: manifest needs podNetworkManifests"),
    ({"pod_network_manifests": ("a.yaml",)}, "warning: podNetworkManifests: not used"),
    ({"cert_sans": ("ok.example", "not ok")}, 'error: certSans[1]: "not ok"'),
    ({"components": {"apiserver": ComponentSettings()}}, "error: components.apiserver: no such component"),
    ({"components": {"etcd": ComponentSettings(extra_args={"--v": "2"})}}, "error: components.etcd.extraArgs"),
    ({"components": volume(name="A")}, "error: components.etcd.extraVolumes[0].name"),
    ({"components": volume(host_path="etc")}, "error: components.etcd.extraVolumes[0].hostPath"),
    ({"components": volume(mount_path="/a/../b")}, "error: components.etcd.extraVolumes[0].mountPath"),
]


@pytest.mark.parametrize(("changes", "expected"), SETTINGS)
def test_a_setting_that_makes_no_sense_is_named(changes: dict[str, Any], expected: str) -> None:
    found = problems(**changes)
    assert len(found) == 1
    assert found[0].startswith(expected)


ACCEPTED = [
    {},
    {"vip": VirtualIP("10.0.0.100"), "endpoint": "api.example:6443"},
    {"endpoint": "[fd00::1]:6443"},
    {"pod_subnets": ("10.244.0.0/16", "fd00:1::/56"), "service_subnets": ("10.96.0.0/16", "fd00:2::/112")},
    {"cert_sans": ("*.example.org", "10.0.0.1", "fd00::9")},
    {"kubernetes_version": "v1.20.2"},
    {"kubernetes_version": "v1.36.0-rc.1"},
    {"components": volume(read_only=False)},
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_sensible_settings_have_no_problems(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []


CP = HostEntry("cp1", "control-plane", "10.0.0.1")
HOSTS = [
    ((CP, HostEntry("Cp2", "worker")), 'error: hosts[1].name: "Cp2" is not a valid host name; write cp2'),
    ((CP, HostEntry("a_b", "worker")), 'error: hosts[1].name: "a_b" is not a valid host name'),
    ((CP, HostEntry("cp1", "worker")), "error: hosts[1].name: cp1 is the name of hosts[0] as well"),
    (
        (CP, HostEntry("w", "worker", "10.0.0.1")),
        "error: hosts[1].address: 10.0.0.1 is the address of hosts[0] as well",
    ),
    ((CP, HostEntry("w", "worker", "here")), 'error: hosts[1].address: "here" is not an address'),
    ((CP, HostEntry("w", "worker", "127.0.1.1")), 'error: hosts[1].address: "127.0.1.1" is not an address that other'),
    ((CP, HostEntry("w", "worker", "10.97.0.1")), "error: hosts[1].address: 10.97.0.1 lies inside serviceSubnets[0]"),
    ((CP, HostEntry("w", "worker", labels={"a b": "c"})), 'error: hosts[1].labels: "a b=c"'),
    ((CP, HostEntry("w", "worker", taints=(Taint("-x", "NoSchedule"),))), "error: hosts[1].taints[0]"),
    ((HostEntry("w", "worker"),), "error: hosts: no host has the role control-plane"),
    ((CP, HostEntry("cp2", "control-plane")), "warning: hosts: 2 control-plane hosts survive no more failures than 1"),
]


@pytest.mark.parametrize(("hosts", "expected"), HOSTS)
def test_a_host_that_makes_no_sense_is_named(hosts: tuple[HostEntry, ...], expected: str) -> None:
    found = problems(hosts)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_dotted_host_names_and_labels_are_accepted() -> None:
    label = {"topology.kubernetes.io/zone": "a", "plain": ""}
    assert problems((CP, HostEntry("w1.rack2.example", "worker", "10.0.0.2", labels=label))) == []


def test_the_virtual_ip_is_no_hosts_address() -> None:
    found = problems((CP,), vip=VirtualIP("10.0.0.1"))
    assert found == ["error: vip.address: 10.0.0.1 is the address of host cp1; take one that nobody has"]


def test_the_pod_subnet_must_be_large_enough_for_every_host() -> None:
    hosts = (CP, *(HostEntry(f"w{n}", "worker", f"10.0.1.{n}") for n in range(4)))
    assert problems(hosts, pod_subnets=("10.244.0.0/22",)) == [
        "error: podSubnets[0]: 10.244.0.0/22 is too small: a /24 for each of 5 hosts"
    ]
    assert problems(hosts, pod_subnets=("10.244.0.0/21",)) == []
