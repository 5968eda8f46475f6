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
    """What a version does, in kubeadm's words where it has them. Defaults are 1.20's."""

    minor: int = OLDEST
    beyond_table: bool = False

    # certificates: the O of each subject, "" for none
    apiserver_kubelet_client_organization: str = "system:masters"
    etcd_client_organization: str = "system:masters"
    admin_organization: str = "system:masters"
    super_admin: bool = False

    # static pods
    apiserver_shutdown: tuple[tuple[str, str], ...] = (("shutdown-delay-duration", "3s"),)
    """Ours, not kubeadm's: first not ready, then no new connections, then the end, so that clients leave in time."""
    apiserver_insecure_port: bool = True
    scheduler_port: bool = True
    """--port=0 of controller manager and scheduler."""
    seccomp_profile: bool = False
    explicit_priority: bool = False
    named_probe_ports: bool = False
    etcd_flags: tuple[tuple[str, str], ...] = (("snapshot-count", "10000"),)
    etcd_ephemeral_storage: bool = True
    etcd_liveness_path: str = "/health"
    etcd_startup_path: str = "/health"
    etcd_readiness_path: str = ""
    scheduler_liveness_path: str = "/healthz"
    scheduler_readiness_path: str = ""
    flexvolume_mount: bool = True

    # kubelet
    container_runtime_flag: bool = True
    pod_infra_image_flag: bool = False
    runtime_endpoint_in_config: bool = False
    """containerRuntimeEndpoint stands in config.yaml, and instance-config.yaml is written; before: a flag."""
    fail_cgroup_v1: bool = False
    """Kubelet knows failCgroupV1, which must be false on a host with cgroup v1."""

    # nodes and objects
    control_plane_labels: tuple[str, ...] = (
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/control-plane",
    )
    control_plane_taints: tuple[str, ...] = ("node-role.kubernetes.io/master",)
    versioned_kubelet_config_map: bool = True
    cri_socket_annotation: bool = True
    config_api: str = "kubeadm.k8s.io/v1beta2"
    cluster_admins_binding: bool = False
    """ClusterRoleBinding kubeadm:cluster-admins."""
    apiserver_kubelet_client_binding: bool = False
    """ClusterRoleBinding kubeadm:apiserver-kubelet-client."""
    local_kubelet_endpoint: bool = False
    """kubeadm points a control-plane host's kubelet at its own API server; we do so with every version."""
    kubelet_skew: int = 2

    @property
    def kubelet_config_map(self) -> str:
        return f"kubelet-config-1.{self.minor}" if self.versioned_kubelet_config_map else "kubelet-config"


_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_NO_BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers"
_MASTER = "node-role.kubernetes.io/master"

ROWS: tuple[tuple[tuple[int, int], dict[str, object]], ...] = (
    ((20, 8), {"etcd_ephemeral_storage": False}),  # kubernetes#102673, in 1.21 from 1.21.2 on
    ((21, 0), {"control_plane_labels": (_MASTER, _CONTROL_PLANE, _NO_BALANCERS)}),
    (
        (22, 0),
        {
            "apiserver_insecure_port": False,  # kubernetes#102121
            "seccomp_profile": True,  # kubernetes#100234
            "etcd_flags": (("experimental-initial-corrupt-check", "true"), ("snapshot-count", "10000")),  # #109076
            "config_api": "kubeadm.k8s.io/v1beta3",
            "pod_infra_image_flag": True,
        },
    ),
    (
        (23, 0),
        {
            "scheduler_port": False,  # kubernetes#104157, #105034
            "apiserver_shutdown": (  # kubernetes#101257
                ("shutdown-delay-duration", "3s"),
                ("shutdown-send-retry-after", "true"),
            ),
        },
    ),
    (
        (24, 0),
        {
            "control_plane_labels": (_CONTROL_PLANE, _NO_BALANCERS),
            "control_plane_taints": (_MASTER, _CONTROL_PLANE),
            "versioned_kubelet_config_map": False,
        },
    ),
    (
        (25, 0),
        {
            "control_plane_taints": (_CONTROL_PLANE,),
            "etcd_liveness_path": "/health?exclude=NOSPACE&serializable=true",  # kubernetes#110744
            "etcd_startup_path": "/health?serializable=false",
            "etcd_flags": (  # kubernetes#111383
                ("experimental-initial-corrupt-check", "true"),
                ("experimental-watch-progress-notify-interval", "5s"),
                ("snapshot-count", "10000"),
            ),
        },
    ),
    ((26, 0), {"container_runtime_flag": False}),  # kubernetes#112000
    (
        (27, 0),
        {
            "explicit_priority": True,  # kubernetes#114338
            "apiserver_shutdown": (  # kubernetes#114925
                ("shutdown-delay-duration", "3s"),
                ("shutdown-send-retry-after", "true"),
                ("shutdown-watch-termination-grace-period", "5s"),
            ),
        },
    ),
    ((28, 0), {"kubelet_skew": 3}),
    (
        (29, 0),
        {
            "apiserver_kubelet_client_organization": "kubeadm:cluster-admins",  # kubernetes#121837
            "etcd_client_organization": "",  # kubernetes#119859, #120521
            "admin_organization": "kubeadm:cluster-admins",
            "super_admin": True,
            "cluster_admins_binding": True,
        },
    ),
    (
        (31, 0),
        {
            "etcd_liveness_path": "/livez",  # kubernetes#124465
            "etcd_startup_path": "/readyz",
            "etcd_readiness_path": "/readyz",
            "config_api": "kubeadm.k8s.io/v1beta4",
            "fail_cgroup_v1": True,
        },
    ),
    ((32, 0), {"scheduler_liveness_path": "/livez", "scheduler_readiness_path": "/readyz"}),  # kubernetes#126945
    ((33, 0), {"local_kubelet_endpoint": True}),  # ControlPlaneKubeletLocalMode is beta
    (
        (34, 0),
        {
            "named_probe_ports": True,  # kubernetes#132776
            "etcd_flags": (
                ("feature-gates", "InitialCorruptCheck=true"),
                ("snapshot-count", "10000"),
                ("watch-progress-notify-interval", "5s"),
            ),
            "runtime_endpoint_in_config": True,  # NodeLocalCRISocket is beta, kubeadm#3042
            "cri_socket_annotation": False,
        },
    ),
    ((35, 0), {"pod_infra_image_flag": False}),
    # kubernetes#138957 is 1.37's, and came to 1.36.1 and to a late 1.35 as well. The binding serves 1.36.0 too.
    ((35, 5), {"apiserver_kubelet_client_organization": "", "apiserver_kubelet_client_binding": True}),
    ((36, 0), {"flexvolume_mount": False}),
)


def rules(version: Version) -> Rules:
    """The table's rules for a version."""
    result = Rules()
    for since, changes in ROWS:
        if since <= (version.minor, version.patch):
            result = replace(result, **changes)  # type: ignore[arg-type]
    return replace(result, minor=version.minor, beyond_table=version.minor > NEWEST)
