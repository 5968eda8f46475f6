"""Where we differ from kubeadm on purpose: (what, path) → reason. Everything else must be the same."""

from __future__ import annotations

from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS

_STARTUP = {
    (
        component,
        f"/container/startupProbe/{field}",
    ): "as patient as kubeadm, but a pod is ready the second it has started"
    for component in CONTROL_PLANE_COMPONENTS
    for field in ("failureThreshold", "initialDelaySeconds", "periodSeconds")
}

_SHUTDOWN = (
    "an API server that stops lets its clients leave first, and is not killed after half a minute of open watches"
)

_RESTARTED = {
    (component, "/metadata/annotations"): "a new kubeconfig makes a new pod: kubeadm wants it restarted by hand"
    for component in ("kube-controller-manager", "kube-scheduler")
}

EVERY_VERSION: dict[tuple[str, str], str] = {
    **_STARTUP,
    **_RESTARTED,
    ("kube-apiserver", "/container/args/shutdown-delay-duration"): _SHUTDOWN,
    ("kube-controller-manager", "/container/args/allocate-node-cidrs"): (
        "with routed pods the coordinator gives each node its pod CIDR, and the agents route them"
    ),
    ("kubelet flags", "/node-ip"): "the address that the host was joined with, not the one its name resolves to",
    ("kubelet flags", "/register-with-taints"): "no pod slips onto a control-plane host before it is marked",
    ("kubelet", "/resolvConf"): "said aloud: kubelet's default, or a file without loopback name servers",
    ("admin.conf", "/server"): "an administrator on a control-plane host reaches it without the virtual IP as well",
    ("super-admin.conf", "/server"): "as admin.conf",
    ("object Deployment coredns", "/spec/template/spec/containers/0/readinessProbe/periodSeconds"): (
        "it is not ready when first asked: then names are resolved 8 seconds sooner, after a power cut too"
    ),
}

_SINCE_1_31 = {
    ("kube-apiserver", "/container/args/shutdown-send-retry-after"): _SHUTDOWN,
    ("kube-apiserver", "/container/args/shutdown-watch-termination-grace-period"): _SHUTDOWN,
    ("object ConfigMap kubeadm-config", "/data/ClusterConfiguration/encryptionAlgorithm"): (
        "ECDSA P-256 keys are made much faster than RSA-2048 ones"
    ),
    ("object ClusterRoleBinding kubeadm:cluster-admins", ""): (
        "kubeadm makes it with super-admin.conf before its dry run begins to print"
    ),
}

_WITH_1_20 = {
    ("kubelet", "/cgroupDriver"): "kubelet and runtime use what the host's cgroups ask for",
    ("kubelet.conf", "/server"): "a control-plane host's kubelet needs no virtual IP (kubeadm: since 1.33)",
    ("object ClusterRoleBinding kubeadm:apiserver-kubelet-client", ""): "harmless here, and ready for an upgrade",
    ("object ClusterRole system:coredns", "/rules"): "a bundle's CoreDNS may be newer and watch EndpointSlices",
    ("object Deployment coredns", "/spec/template/spec/affinity"): "its two pods on two hosts (kubeadm: since 1.21)",
    ("object ConfigMap kubelet-config-1.20", "/data/kubelet/cgroupDriver"): "as kubelet's own configuration",
}

BY_VERSION: dict[str, dict[tuple[str, str], str]] = {
    "v1.20.2": _WITH_1_20,
    "v1.35.6": _SINCE_1_31,
    "v1.36.2": _SINCE_1_31,
}


def expected(version: str, what: str) -> set[str]:
    """Paths at which `what` may differ."""
    known = EVERY_VERSION | BY_VERSION.get(version, {})
    return {path for name, path in known if name == what}
