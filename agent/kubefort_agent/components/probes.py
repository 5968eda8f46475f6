"""What says whether a host's components are healthy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubefort.kubeadm.addresses import host_port, local_api
from kubefort.model.spec import NodeSpec
from kubefort.paths import PKI

from kubefort_agent.components.controller_manager import PORT as CONTROLLER_MANAGER_PORT
from kubefort_agent.components.etcd import METRICS_PORT
from kubefort_agent.components.scheduler import PORT as SCHEDULER_PORT


@dataclass(frozen=True)
class Probe:
    """An HTTP GET that answers 200 when the component is healthy.

    client_certificate  name of the certificate to show, "" for none
    authority           what the server's certificate is checked against; None: not at all (loopback only)
    """

    component: str
    url: str
    client_certificate: str = ""
    authority: Path | None = None


def probes(spec: NodeSpec) -> tuple[Probe, ...]:
    """Probes of everything that shall run at the spec's stage."""
    result: list[Probe] = []
    if spec.reaches("node") or (spec.is_control_plane and spec.reaches("etcd")):
        result.append(Probe("kubelet", "http://127.0.0.1:10248/healthz"))
    if not spec.is_control_plane:
        return tuple(result)
    if spec.reaches("etcd") and spec.etcd is not None:
        loopback = "::1" if ":" in spec.node.address else "127.0.0.1"
        result.append(Probe("etcd", f"http://{host_port(loopback, METRICS_PORT)}/health"))
    if spec.reaches("control-plane"):
        result += [
            Probe("kube-apiserver", f"{local_api(spec.node)}/readyz", authority=PKI / "ca.crt"),
            Probe("kube-controller-manager", f"https://127.0.0.1:{CONTROLLER_MANAGER_PORT}/healthz"),
            Probe("kube-scheduler", f"https://127.0.0.1:{SCHEDULER_PORT}/healthz"),
        ]
    return tuple(result)
