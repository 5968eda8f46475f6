"""Labels, taints and annotations of nodes, as kubeadm's mark-control-plane phase sets them."""

from __future__ import annotations

from typing import Any

from kubefort.model.cluster import Cluster
from kubefort.model.spec import Node


def mark_node(current: dict[str, Any], node: Node, cluster: Cluster) -> dict[str, Any]:
    """A merge patch for KubernetesClient.patch_node; {} when the node (`current`, from get) is as it should be."""
    raise NotImplementedError
