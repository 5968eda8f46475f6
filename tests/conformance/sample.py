"""The cluster that both the real kubeadm and we are asked to make."""

from __future__ import annotations

from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, Node

from tests.lab.artifacts import obtainable

REGISTRIES = {"v1.20.2": "k8s.gcr.io"}
COREDNS = {"v1.20.2": "coredns:1.7.0", "v1.35.6": "coredns/coredns:v1.13.1", "v1.36.2": "coredns/coredns:v1.14.2"}
VERSIONS = tuple(each for each in COREDNS if each in obtainable())

FIRST = Node("m1", "10.1.2.3", "control-plane", pod_cidrs=("10.244.0.0/24",))


def cluster(version: str) -> Cluster:
    return Cluster(version, endpoint="10.1.2.100:6443", key_algorithm="RSA-2048")


def artifacts(version: str) -> tuple[Artifact, ...]:
    registry = REGISTRIES.get(version, "registry.k8s.io")
    references = {name: f"{registry}/{name}:{version}" for name in ("kube-apiserver", "kube-proxy")}
    references["coredns"] = f"{registry}/{COREDNS[version]}"
    return tuple(Artifact("image", name, "", 0, reference) for name, reference in references.items())
