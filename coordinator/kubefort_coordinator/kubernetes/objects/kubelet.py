"""The ConfigMap kubelet-config: what a stock `kubeadm join` writes to /var/lib/kubelet/config.yaml."""

from __future__ import annotations

from kubefort.kubeadm.addresses import dns_address
from kubefort.kubeadm.versions import Rules
from kubefort.model.cluster import Cluster
from kubefort.paths import MANIFESTS, PKI

from kubefort_coordinator.kubernetes.objects.shapes import (
    BOOTSTRAPPERS,
    NODES,
    SYSTEM,
    Object,
    config_map,
    group,
    readable_config_map,
    to_yaml,
)


def kubelet_config(cluster: Cluster, rules: Rules, cgroup_driver: str, cgroup_version: int) -> list[Object]:
    """kubelet-config (up to 1.23 with the minor in its name), and who may read it."""
    document = kubelet_configuration(cluster, rules, cgroup_driver, cgroup_version)
    name = rules.kubelet_config_map
    readers = [group(NODES), group(BOOTSTRAPPERS)]
    return [
        config_map(name, SYSTEM, {"kubelet": to_yaml(document)}),
        *readable_config_map(f"kubeadm:{name}", name, readers, SYSTEM),
    ]


def kubelet_configuration(cluster: Cluster, rules: Rules, cgroup_driver: str, cgroup_version: int) -> Object:
    """KubeletConfiguration for a host with this driver ("systemd" or "cgroupfs") and cgroup version (1 or 2)."""
    document: Object = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": cgroup_driver,
        "clusterDNS": [dns_address(cluster)],
        "clusterDomain": cluster.domain,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "rotateCertificates": True,
        "staticPodPath": str(MANIFESTS),
    }
    if rules.fail_cgroup_v1 and cgroup_version == 1:
        document["failCgroupV1"] = False
    return document
