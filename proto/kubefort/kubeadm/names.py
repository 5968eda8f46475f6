"""Names that several programs must agree on."""

from __future__ import annotations

from kubefort.model.cluster import RunMode

CONTROL_PLANE_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""Components that run on control-plane hosts, in the order they start in."""

CONFIGURABLE = (*CONTROL_PLANE_COMPONENTS, "kubelet", "kube-proxy")
"""Components that cluster.yaml may say something about."""

RUN_MODES: tuple[RunMode, ...] = ("static-pod", "systemd", "docker")
"""Ways to run the components of a control-plane host. kubelet is a unit always, kube-proxy a DaemonSet."""

EVERYWHERE = ("kube-proxy", "coredns", "pause")
"""Images that every host needs."""
