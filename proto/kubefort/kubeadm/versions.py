"""Kubernetes versions, and what kubeadm does differently from one minor to the next.

Each row of ROWS holds from its minor on, until a later row says otherwise. A minor beyond the newest known one is
accepted (`Rules.beyond_table`), by the newest row's rules. Sources are kubeadm's own output for 1.20.2, 1.35.6 and
1.36.2, and for the minors between, Kubernetes' pull requests by number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kubefort.errors import InvalidInput

OLDEST = 20
NEWEST = 37

_VERSION = re.compile(r"v?(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)(?P<suffix>[-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, order=True)
class Version:
    """A Kubernetes 1.x version; `suffix` is like -rc.1 or -lab, with its dash."""

    minor: int
    patch: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"v1.{self.minor}.{self.patch}{self.suffix}"


def parse(text: str) -> Version:
    """Version of a text like v1.36.2 or v1.21.0-lab; raises InvalidInput."""
    found = _VERSION.fullmatch(text)
    if found is None or found["major"] != "1":
        raise InvalidInput(f"{text!r} is no Kubernetes version", "write it like v1.36.2")
    version = Version(int(found["minor"]), int(found["patch"]), found["suffix"] or "")
    if version.minor < OLDEST:
        raise InvalidInput(f"Kubernetes {text} is older than v1.{OLDEST}", f"use v1.{OLDEST}.0 or newer")
    return version


@dataclass(frozen=True)
class Rules:
    """What a minor does, in kubeadm's words where it has them. Defaults are 1.20's."""

    minor: int = OLDEST
    beyond_table: bool = False

    # certificates
    client_organization: str = "system:masters"
    """O of apiserver-kubelet-client."""
    etcd_client_organization: str = "system:masters"
    """O of apiserver-etcd-client and etcd/healthcheck-client."""
    admin_organization: str = "system:masters"
    super_admin: bool = False

    # static pods
    insecure_port_flags: bool = True
    """--insecure-port=0 of the API server; --port=0 of controller manager and scheduler."""
    service_account_issuer: bool = True
    seccomp_profile: bool = False
    explicit_priority: bool = False
    named_probe_ports: bool = False
    etcd_readiness_probe: bool = False
    etcd_liveness_path: str = "/health"
    etcd_startup_path: str = "/health"
    etcd_flags: tuple[tuple[str, str], ...] = (("snapshot-count", "10000"),)
    etcd_ephemeral_storage: bool = True
    scheduler_liveness_path: str = "/healthz"
    scheduler_readiness_probe: bool = False
    flexvolume_mount: bool = True

    # kubelet
    runtime_flags: tuple[tuple[str, str], ...] = (("container-runtime", "remote"),)
    runtime_endpoint_in_config: bool = False
    """containerRuntimeEndpoint stands in config.yaml, and instance-config.yaml is written; before: a flag."""
    pod_infra_image_flag: bool = True
    fail_cgroup_v1: bool = False
    """Kubelet knows failCgroupV1, which must be false on a host with cgroup v1."""
    default_cgroup_driver: str = "cgroupfs"

    # nodes and objects
    control_plane_labels: tuple[str, ...] = ("node-role.kubernetes.io/master",)
    control_plane_taint: str = "node-role.kubernetes.io/master"
    kubelet_config_map: str = "kubelet-config-{minor}"
    cri_socket_annotation: bool = True
    config_api: str = "kubeadm.k8s.io/v1beta2"
    apiserver_kubelet_client_binding: bool = False
    """ClusterRoleBinding kubeadm:apiserver-kubelet-client stands in for an O in that certificate."""
    cluster_admins_binding: bool = False
    local_kubelet_endpoint: bool = False
    """kubeadm itself points a control-plane host's kubelet at the local API server (ControlPlaneKubeletLocalMode)."""
    kubelet_skew: int = 2


ROWS: tuple[tuple[int, dict[str, object]], ...] = (
    (20, {}),
    (
        22,
        {
            "seccomp_profile": True,
            "default_cgroup_driver": "systemd",
            "config_api": "kubeadm.k8s.io/v1beta3",
            "etcd_flags": (("experimental-initial-corrupt-check", "true"), ("snapshot-count", "10000")),
            "etcd_ephemeral_storage": False,
        },
    ),
    (23, {"insecure_port_flags": False}),
    (
        24,
        {
            "control_plane_labels": ("node-role.kubernetes.io/control-plane",),
            "control_plane_taint": "node-role.kubernetes.io/control-plane",
            "kubelet_config_map": "kubelet-config",
        },
    ),
    (25, {"kubelet_skew": 3}),
    (27, {"runtime_flags": (), "explicit_priority": True}),
    (
        29,
        {
            "client_organization": "kubeadm:cluster-admins",
            "admin_organization": "kubeadm:cluster-admins",
            "etcd_client_organization": "",
            "super_admin": True,
            "cluster_admins_binding": True,
        },
    ),
    (31, {"config_api": "kubeadm.k8s.io/v1beta4", "fail_cgroup_v1": True}),
)


def rules(version: Version) -> Rules:
    """The table's rules for a version."""
    result = Rules()
    for minor, changes in ROWS:
        if minor <= version.minor:
            result = replace(result, **changes)  # type: ignore[arg-type]
    return replace(result, minor=version.minor, beyond_table=version.minor > NEWEST)
