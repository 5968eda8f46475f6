"""Labels, taints, annotation and pod networks of nodes, as kubeadm sets them (phases/markcontrolplane, patchnode)."""

from __future__ import annotations

from typing import Any

from kubefort.kubeadm.versions import parse, rules
from kubefort.model.cluster import CONTROL_PLANE, Cluster
from kubefort.model.spec import Node

Object = dict[str, Any]

CRI_SOCKET = "kubeadm.alpha.kubernetes.io/cri-socket"


def mark_node(
    current: Object, node: Node, cluster: Cluster, runtime_socket: str = "unix:///run/containerd/containerd.sock"
) -> Object:
    """A merge patch for KubernetesClient.patch_node; {} when the node (`current`, from get) is as it should be.

    What others put on the node stays. The patch names the version it was made for: when the node changed meanwhile,
    patch_node raises Unavailable, and the caller reads the node and tries again.
    """
    table = rules(parse(cluster.kubernetes_version))
    is_control_plane = node.role == CONTROL_PLANE
    labels = dict.fromkeys(table.control_plane_labels, "") if is_control_plane else {}
    annotations = {CRI_SOCKET: runtime_socket} if table.cri_socket_annotation else {}
    metadata: Object = {}
    for key, wanted in (("labels", labels | node.labels), ("annotations", annotations)):
        changes = _missing(current["metadata"].get(key) or {}, wanted)
        if changes:
            metadata[key] = changes
    wanted_taints: list[Object] = [
        {"key": key, "effect": "NoSchedule"} for key in (table.control_plane_taints if is_control_plane else ())
    ]
    wanted_taints += [{"key": t.key, "effect": t.effect} | ({"value": t.value} if t.value else {}) for t in node.taints]
    spec = _spec(current.get("spec") or {}, wanted_taints, node.pod_cidrs)
    if not metadata and not spec:
        return {}
    version = current["metadata"].get("resourceVersion")
    if version:
        metadata["resourceVersion"] = version
    return ({"metadata": metadata} if metadata else {}) | ({"spec": spec} if spec else {})


def _missing(present: Object, wanted: dict[str, str]) -> Object:
    return {key: value for key, value in wanted.items() if present.get(key) != value}


def _spec(present: Object, wanted_taints: list[Object], pod_cidrs: tuple[str, ...]) -> Object:
    spec: Object = {}
    taints = list(present.get("taints") or [])
    merged = merge_taints(taints, wanted_taints)
    if merged != taints:
        spec["taints"] = merged
    # The API lets it be set once and never changed.
    if pod_cidrs and not present.get("podCIDR"):
        spec |= {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)}
    return spec


def merge_taints(present: list[Object], wanted: list[Object]) -> list[Object]:
    """`present` with those of `wanted` that are missing or have another value; key and effect are what identifies."""
    by_identity = {(t["key"], t["effect"]): t for t in wanted}
    kept: list[Object] = []
    for taint in present:
        replacement = by_identity.pop((taint["key"], taint["effect"]), None)
        differs = replacement is not None and replacement.get("value", "") != taint.get("value", "")
        kept.append(replacement if replacement is not None and differs else taint)
    return [*kept, *by_identity.values()]
