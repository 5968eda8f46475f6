"""Specs that the tests of components are made from."""

from __future__ import annotations

from typing import Any

from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.spec import Artifact, EtcdMembership, Node, NodeSpec, VipKey
from kubefort_agent.components import Context
from kubefort_agent.host.facts import HostFacts

IMAGES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "pause")
BINARIES = ("kubelet", "kubectl", "kubeadm", "crictl", "etcdctl")

CP1 = Node("cp1", "10.30.0.11", "control-plane", ("10.244.0.0/24",))
CP2 = Node("cp2", "10.30.0.12", "control-plane", ("10.244.1.0/24",))
W1 = Node("w1", "10.30.0.21", "worker", ("10.244.2.0/24",))

NEW = EtcdMembership((("cp1", "https://10.30.0.11:2380"),), "new")
EXISTING = EtcdMembership((("cp1", "https://10.30.0.11:2380"), ("cp2", "https://10.30.0.12:2380")), "existing")


def make_cluster(version: str = "v1.36.2", **changes: Any) -> Cluster:
    return Cluster(version, **({"endpoint": "10.30.0.100:6443"} | changes))


def make_spec(cluster: Cluster | None = None, node: Node = CP1, **changes: Any) -> NodeSpec:
    cluster = cluster or make_cluster()
    artifacts = [Artifact("image", name, "1" * 64, 1, f"registry.k8s.io/{name}:tag") for name in IMAGES]
    artifacts += [Artifact("binary", name, "2" * 64, 1) for name in BINARIES]
    defaults: dict[str, Any] = {
        "generation": 1,
        "stage": "node",
        "peers": tuple(n for n in (CP1, CP2, W1) if n != node),
        "etcd": NEW if node.role == "control-plane" else None,
        "artifacts": tuple(artifacts),
    }
    return NodeSpec(cluster=cluster, node=node, **(defaults | changes))


def make_context(version: str = "v1.36.2", node: Node = CP1, facts: HostFacts | None = None, **cluster: Any) -> Context:
    return Context(make_spec(make_cluster(version, **cluster), node), facts or HostFacts(containerd_version="1.7.24"))


VIP = VirtualIP("10.30.0.100")
KEYS = (VipKey(1, "vip-key-1"), VipKey(2, "vip-key-2"))
