"""The objects of a cluster, as kubeadm makes them for each minor version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, Node

Object = dict[str, Any]


def cluster_objects(
    cluster: Cluster,
    artifacts: Sequence[Artifact],
    control_planes: Sequence[Node],
    authority_pem: bytes,
    cgroup_driver: str = "systemd",
    cgroup_version: int = 2,
) -> list[Object]:
    """Roles, bindings and ConfigMaps, in the order to apply them. `cluster.endpoint` must be set."""
    raise NotImplementedError


def addon_objects(cluster: Cluster, artifacts: Sequence[Artifact]) -> list[Object]:
    """kube-proxy and CoreDNS, in the order to apply them."""
    raise NotImplementedError
