"""Names that several programs must agree on."""

from __future__ import annotations

from kubefort.model.cluster import RunMode

CONTROL_PLANE_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Components that run on control-plane hosts, in the order they start in."""

CONFIGURABLE = (*CONTROL_PLANE_COMPONENTS, "kubelet", "kube-proxy")
"""Components that cluster.yaml may say something about."""

RUN_MODES: tuple[RunMode, ...] = ("static-pod",)
"""Run modes that exist by now."""

EVERYWHERE = ("kube-proxy", "coredns", "pause")
"""Images that every host needs."""
