"""kubeadm's results, made once for each version."""

from __future__ import annotations

import os

import pytest
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, EtcdMembership, Node, NodeSpec
from kubefort_agent.host.facts import HostFacts

from tests.conformance.stock import ADDRESS, ENDPOINT, NODE, VERSIONS, Stock, stock

IMAGES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "pause")


@pytest.fixture(scope="session", params=VERSIONS)
def theirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stock:
    if os.geteuid() != 0:
        pytest.fail("kubeadm changes its root folder, which only root may: run `make conformance` as root")
    return stock(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def spec(theirs: Stock) -> NodeSpec:
    """The same cluster, as our coordinator describes it to its first host."""
    return NodeSpec(
        generation=1,
        cluster=Cluster(theirs.version, endpoint=ENDPOINT),
        node=Node(NODE, ADDRESS, "control-plane", ("10.244.0.0/24",)),
        stage="node",
        etcd=EtcdMembership(((NODE, f"https://{ADDRESS}:2380"),), "new"),
        artifacts=tuple(Artifact("image", name, "0" * 64, 1, f"example.org/{name}:1") for name in IMAGES),
    )


@pytest.fixture
def facts() -> HostFacts:
    return HostFacts(containerd_version="1.7.24")
